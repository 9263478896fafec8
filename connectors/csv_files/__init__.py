"""Files: CSV and JSON lines, in and out; rejected rows back."""

from connectors.csv_files.cells import write_rejects
from connectors.csv_files.connector import PAGE, CsvFiles
from connectors.csv_files.settings import BAD_ROW, CELLS, LINE

__all__ = ["BAD_ROW", "CELLS", "LINE", "PAGE", "CsvFiles", "write_rejects"]
