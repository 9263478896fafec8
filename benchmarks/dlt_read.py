"""dlt: read the contacts by its rest_api source, map them, merge them into SQLite. Jobs: read, reread, changed."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks import dlt_jobs  # isort: skip  sets dlt up before it is imported
import dlt
from dlt.sources.rest_api import rest_api_source

from benchmarks.plain_mapping import inward

_PROPERTIES = (
    "email,firstname,lastname,salutation,phone,mobilephone,company,jobtitle,website,address,city,state,zip,country,"
    "lifecyclestage,hs_lead_status,hs_language,hs_additional_emails,hs_email_optout,hubspot_owner_id,"
    "associatedcompanyid,createdate,throughline_key,lastmodifieddate,hs_object_id"
)


def _listing() -> dict[str, Any]:
    cursor = {"type": "cursor", "cursor_path": "paging.next.after", "cursor_param": "after"}
    params = {"limit": 100, "properties": _PROPERTIES, "associations": "companies"}
    return {"path": "crm/v3/objects/contacts", "params": params, "paginator": cursor}


def _search(since_ms: int) -> dict[str, Any]:
    cursor = {"type": "cursor", "cursor_path": "paging.next.after", "cursor_body_path": "after"}
    filters = [{"propertyName": "lastmodifieddate", "operator": "GTE", "value": str(since_ms)}]
    body = {"filterGroups": [{"filters": filters}], "properties": _PROPERTIES.split(","), "limit": 200}
    return {"path": "crm/v3/objects/contacts/search", "method": "POST", "json": body, "paginator": cursor}


def run(job: str, home: Path, url: str, since_ms: int) -> None:
    """Run the pipeline once; raises when a load failed."""
    endpoint = _search(since_ms) if job == "changed" else _listing()
    source = rest_api_source(
        {
            "client": {"base_url": url, "headers": {"Authorization": "Bearer not-a-secret"}},
            "resources": [
                {
                    "name": dlt_jobs.TABLE,
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "columns": {"account": {"data_type": "text"}},
                    "max_table_nesting": 0,
                    "endpoint": {**endpoint, "data_selector": "results"},
                    "processing_steps": [{"map": inward}],  # type: ignore[list-item]
                }
            ],
        }
    )
    hub = dlt.destinations.sqlalchemy(dlt_jobs.engine(home), create_primary_keys=True, create_unique_indexes=True)
    dlt_jobs.pipeline("read", home, hub).run(source).raise_on_failed_jobs()


def main() -> None:
    """Run one job."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("job", choices=["read", "reread", "changed"])
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--since", type=int, default=0)
    options = parser.parse_args()
    run(options.job, options.home, options.url, options.since)


if __name__ == "__main__":
    main()
