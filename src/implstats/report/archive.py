"""Word and Excel files are zip archives that note the minute they were written; the same tables should give
the same bytes, so the archive is written again without the clock."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

EPOCH = (1980, 1, 1, 0, 0, 0)
STAMP = re.compile(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*(<)")
FIXED = b"1980-01-01T00:00:00Z"


def steady_archive(path: Path) -> None:
    """Rewrite a .docx or .xlsx in place with fixed times, so that equal content gives equal bytes."""
    with zipfile.ZipFile(path) as archive:
        parts = [(info.filename, archive.read(info)) for info in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts:
            if name == "docProps/core.xml":
                content = STAMP.sub(rb"\g<1>" + FIXED + rb"\g<2>", content)
            info = zipfile.ZipInfo(name, date_time=EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
