"""An RNTuple of the release candidate (0.2) written by its definition: one list of records of numbers."""

import struct

import numpy as np

ANCHOR = struct.Struct(">6xHHHHQQQQQQQ")
KIND = {"f8": 7, "split f8": 16, "split u8": 19, "zigzag i4": 27, "split i4": 27, "index": 1, "delta": 14}


def text(value):
    return struct.pack("<I", len(value)) + value.encode()


def record(content):
    return struct.pack("<q", len(content) + 8) + content


def items(parts):
    content = b"".join(parts)
    return struct.pack("<qI", -(len(content) + 12), len(parts)) + content


def envelope(kind, content):
    # The length counts itself and the checksum behind.
    return struct.pack("<Q", kind | (len(content) + 16) << 16) + content + bytes(8)


def split(values):
    return np.ascontiguousarray(values).view("u1").reshape(len(values), -1).T.tobytes()


def page(values, kind):
    """Bytes of one page, element by element as the definition says."""
    if kind == "delta":
        steps = [int(values[0]), *(int(b) - int(a) for a, b in zip(values[:-1], values[1:], strict=True))]
        return split(np.array(steps, "<u8"))
    if kind == "zigzag i4":
        return split(np.array([2 * v if v >= 0 else -2 * v - 1 for v in map(int, values)], "<u4"))
    stored = np.asarray(values, {"f8": "<f8", "split f8": "<f8", "split u8": "<u8", "index": "<u8"}[kind])
    return split(stored) if kind.startswith("split") else stored.tobytes()


def candidate(clusters, index="delta", page_size=3, version=(0, 2, 0, 0), added=()):
    """Anchor and bytes of an RNTuple ``Hits`` of records {cell: u8, at: {x: f8}, n: i4} and a number ``run`` an
    entry.

    Args:
        clusters: of each the entries, of each entry the records (cell, x, n).
        page_size: elements a page; added: records of fields of the footer.
    """
    fields = [
        (0, 1, "Hits"),
        (0, 2, "_0"),
        (1, 0, "cell"),
        (1, 2, "at"),
        (3, 0, "x"),
        (1, 0, "n"),
        (6, 0, "run"),
    ]
    columns = [(index, 0), ("split u8", 2), ("split f8", 4), ("zigzag i4", 5), ("f8", 6)]
    header = envelope(1, struct.pack("<Q", 0) + b"".join(map(text, ("events", "", "a test"))) + items([
        record(struct.pack("<IIIHH", 0, 0, parent, role, 0) + b"".join(map(text, (name, "", "", ""))))
        for parent, role, name in fields
    ]) + items([record(struct.pack("<HHII", KIND[kind], 64, field, 0)) for kind, field in columns])
      + items([]) + items([]))  # fmt: skip
    data, summaries, lists, first = bytearray(header), [], [], 0
    for entries in clusters:
        hits = [hit for entry in entries for hit in entry]
        ends = np.cumsum([len(entry) for entry in entries])
        values = [ends, *([hit[k] for hit in hits] for k in range(3)), np.arange(first, first + len(entries))]
        of_columns = []
        for (kind, _), column in zip(columns, values, strict=True):
            pages = []
            for at in range(0, len(column), page_size):
                part = column[at : at + page_size]
                stored = page(part, kind)
                pages.append(struct.pack("<IIQ", len(part), len(stored), len(data)))
                data += stored
            # Behind the pages: first element and compression, which no reader needs here.
            inner = b"".join(pages) + struct.pack("<QI", 0, 0)
            of_columns.append(struct.pack("<qI", -(len(inner) + 12), len(pages)) + inner)
        lists.append(items(of_columns))
        summaries.append(record(struct.pack("<QQ", first, len(entries))))
        first += len(entries)
    pages = envelope(3, struct.pack("<Q", 0) + items(summaries) + items(lists))
    at_pages = len(data)
    data += pages
    extension = record(items(list(added)) + items([]) + items([]) + items([]))
    group = record(struct.pack("<QQIQIQ", 0, first, len(clusters), len(pages), len(pages), at_pages))
    footer = envelope(2, struct.pack("<QQ", 0, 0) + extension + items([]) + items([group]) + items([]))
    at_footer = len(data)
    data += footer
    sizes = (0, len(header), len(header), at_footer, len(footer), len(footer), 0)
    return ANCHOR.pack(*version, *sizes), bytes(data)
