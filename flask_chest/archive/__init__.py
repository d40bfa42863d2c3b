"""The archive: closed hours of records in columns, as Parquet files beside the row store.

**Files.** ``CHEST_ARCHIVE`` holds a folder for each store, ``<chest>-<id>``. The store itself keeps
the id, so that a store that is moved finds its archive. Such a folder has two folders::

    data/2026-12-01T00-1h-3f9a1c02.parquet      a part
    log/000000000042.json                       an entry: one part was added, others were replaced

A file is written elsewhere, synced and then moved to its place, and never changes afterwards.
Entries are numbered without gaps, and an entry is created only if its number is free. A process
that planned its entry from an outdated state fails (``ConflictError``) and looks again. One entry
is one step: a reader sees the archive before it or after it.

**Parts.** A part has records of one stretch of time (``start`` to ``end``: an hour, or a day after
parts were merged), sorted by time and id. A stretch may have several parts: late records come as
further parts. No record is in two valid parts. A part is valid if its entry is in the log and no
other entry names its number in ``replaces``.

**Columns** (see :mod:`.columns`). Each fixed field has a column of one type; ``time`` is
``TIMESTAMPTZ`` in microseconds. ``request_id`` is null if it equals the record's ``id``, which is
the default. Each pair of a variable (or tag) and a type has a column such as ``vars_total_num``.
The types are ``int`` (BIGINT), ``num`` (DOUBLE: a number that JSON writes with a point or an
exponent), ``text``, ``bool`` and ``json`` (the text of a list or an object). The manifest lists
them in ``columns``. ``vars_shape`` lists names and types in order, which keeps ``5`` and ``5.0``,
and null and missing, apart. If columns cannot hold a record's variables exactly (integers beyond 64
bits, the rarest of thousands of names), ``vars_shape`` is null, and ``vars`` has the whole document
as JSON. So the value of a variable is::

    coalesce(<its typed columns>, json_extract(vars, '$."name"'))

The second part is needed only in parts whose manifest has ``rest["vars"] > 0``. The same holds for
tags.

**How a reader answers** from the archive and the row store, and counts nothing twice:

1. Take ``Archive.snapshot()`` and ``ArchiveSource.late_hours()``, and from both ``coverage()``.
2. Read the rows of ``Coverage.stretches()`` from the store: the open tail, and hours with late
   records. All other records of the range are in parts, and the store is not asked for them.
3. Take ``Archive.snapshot()`` again, after the rows. Answer from the parts of this one, all of
   them. Drop the rows whose id is in ``archived_ids()`` of the same stretches.

The order matters: a row is deleted from the store only after a part has it. So a row that is gone
in step 2 is in a part in step 3, and a row that was archived in between is dropped as known. If the
file of a part is missing in step 3 (``DamagedPartError``) and a new snapshot no longer has the
part, it was replaced in between, and step 3 is repeated.
"""
