"""Tables of ACTS with something changed."""

PIXEL_VOLUMES = (7, 8, 9)


def _packed(line):
    return sum(int(n) << s for n, s in zip(line.split(",")[:5], (52, 40, 24, 16, 0), strict=True))


def rows_of_file(path):
    """Rows of a CSV file, each a dictionary of texts."""
    head, *lines = path.read_text().splitlines()
    return [dict(zip(head.split(","), line.split(","), strict=True)) for line in lines]


def change_rows(path, change):
    rows = change(rows_of_file(path))
    path.write_text("\n".join([",".join(rows[0]), *(",".join(row.values()) for row in rows)]) + "\n")


def is_strip(row):
    return int(row["geometry_id"]) >> 56 not in PIXEL_VOLUMES
