"""croissant.json: the release described for machines, in Croissant 1.0 (mlcommons.org/croissant).

In: the manifest, the rows, and the folder that holds the data files. Out: JSON-LD that names each
file with its digest and each column of each split with its type. Columns that hold lists of turns
or the parts of the score are left out: readers of Croissant flatten what they cannot name.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.manifest import digest_file, write_json
from pipeline.release import folder
from pipeline.release.card_text import COLUMNS
from pipeline.release.licences import parse, summarise
from pipeline.release.rows import SPLITS

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_TYPES: dict[object, str] = {
    pl.String: "sc:Text",
    pl.Boolean: "sc:Boolean",
    pl.Int32: "sc:Integer",
    pl.Int64: "sc:Integer",
    pl.Float64: "sc:Float",
    pl.Datetime: "sc:DateTime",
}


def write(manifest: Mapping[str, Any], rows: pl.DataFrame, out: Path) -> None:
    """Write the description of the data files that lie in `out`."""
    write_json(out / folder.CROISSANT, describe(manifest, rows, out))


def describe(manifest: Mapping[str, Any], rows: pl.DataFrame, out: Path) -> dict[str, Any]:
    """Return the whole JSON-LD object."""
    splits = [split for split in SPLITS if manifest["rows"].get(split)]
    licences = [parse(spdx) for spdx in summarise(rows["licence"].to_list()).shares]
    total = sum(manifest["rows"].values())
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": manifest["name"],
        "version": _three_numbers(manifest["version"]),
        "description": manifest["recipe"].get("description")
        or f"An instruction-tuning set in the manner of LIMA: {total:,} rows.",
        "license": [licence.url or licence.spdx for licence in licences],
        "url": "README.md",
        "citeAs": f"{manifest['name']} {manifest['version']}; authors in ATTRIBUTION.md",
        "datePublished": str(manifest["created_at"])[:10],
        "isLiveDataset": False,
        "distribution": [_file(out / folder.data_file(split), out) for split in splits],
        "recordSet": [_records(split, rows) for split in splits],
    }


def _three_numbers(version: str) -> str:
    """Write a version as Croissant asks: MAJOR.MINOR.PATCH; a fourth number stands after a plus."""
    parts = version.split(".")
    if len(parts) == 4 and all(part.isdigit() for part in parts):
        return f"{int(parts[0])}.{int(parts[1])}.{int(parts[2])}+{parts[3]}"
    if len(parts) == 3 and all(part.isdigit() for part in parts):
        return ".".join(str(int(part)) for part in parts)
    return version


def _file(path: Path, out: Path) -> dict[str, Any]:
    name = path.relative_to(out).as_posix()
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": "application/x-parquet",
        "sha256": digest_file(path),
    }


def _records(split: str, rows: pl.DataFrame) -> dict[str, Any]:
    fields = []
    for name, kind in rows.schema.items():
        inner = kind.inner if isinstance(kind, pl.List) else kind
        said = _TYPES.get(inner.base_type())
        if said is None:
            continue
        source = {
            "fileObject": {"@id": folder.data_file(split)},
            "extract": {"column": name},
        }
        made: dict[str, Any] = {
            "@type": "cr:Field",
            "@id": f"{split}/{name}",
            "name": f"{split}/{name}",
            "description": COLUMNS.get(name, name),
            "dataType": said,
            "source": source,
        }
        if isinstance(kind, pl.List):
            made["repeated"] = True
        fields.append(made)
    return {"@type": "cr:RecordSet", "@id": split, "name": split, "field": fields}
