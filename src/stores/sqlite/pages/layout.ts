import Database from "better-sqlite3";
import type { Value } from "./record";

/** A table as its file holds it. */
export interface TableLayout {
  readonly name: string;
  /** In the order in which a row holds them. */
  readonly columns: readonly string[];
  /** The column that is the row's number and so is not in the row; undefined: the table is an index by its own key. */
  readonly rowid: string | undefined;
  /** Columns that the rows are in order by, where they are not by number. */
  readonly keyColumns: number;
  readonly indexes: readonly IndexLayout[];
  readonly root: number;
  readonly sql: string;
}

export interface IndexLayout {
  readonly name: string;
  /** Places in the table's row of what an entry holds; behind that comes the row's number, where rows have one. */
  readonly columns: readonly number[];
  readonly holds: (row: readonly Value[]) => boolean;
  readonly root: number;
  readonly sql: string;
}

interface SchemaRow {
  readonly name: string;
  readonly root: number;
  readonly sql: string | null;
}

/** What a file that `make` makes consists of. The roots are where SQLite puts them in a new file. */
export function layoutOf(make: (database: Database.Database) => void): readonly TableLayout[] {
  const database = new Database(":memory:");
  try {
    make(database);
    const schema = (type: string, table: string): SchemaRow[] =>
      database
        .prepare("SELECT name, rootpage AS root, sql FROM sqlite_master WHERE type = ? AND tbl_name = ? ORDER BY rowid")
        .all(type, table) as SchemaRow[];
    const tables = database
      .prepare("SELECT tbl_name FROM sqlite_master WHERE type = 'table'")
      .pluck()
      .all() as string[];
    return tables.flatMap((table) =>
      schema("table", table).map((row) => tableLayout(database, row, schema("index", table))),
    );
  } finally {
    database.close();
  }
}

interface ColumnRow {
  readonly name: string;
  readonly type: string;
  readonly pk: number;
}

function tableLayout(database: Database.Database, table: SchemaRow, indexes: readonly SchemaRow[]): TableLayout {
  const declared = database.pragma(`table_info(${table.name})`) as ColumnRow[];
  const keys = declared.filter(({ pk }) => pk > 0).sort((left, right) => left.pk - right.pk);
  const isKeyed = /WITHOUT ROWID/.test(table.sql ?? "");
  const rowid = !isKeyed && keys.length === 1 && keys[0]?.type === "INTEGER" ? keys[0].name : undefined;
  if (!isKeyed && rowid === undefined) throw new Error(`table ${table.name} has rows without a number of their own`);
  const columns = (isKeyed ? [...keys, ...declared.filter(({ pk }) => pk === 0)] : declared).map(({ name }) => name);
  return {
    name: table.name,
    columns,
    rowid,
    keyColumns: isKeyed ? keys.length : 0,
    indexes: indexes.map((index) => indexLayout(database, index, columns, isKeyed ? keys.length : 0)),
    root: table.root,
    sql: table.sql ?? "",
  };
}

function indexLayout(
  database: Database.Database,
  index: SchemaRow,
  columns: readonly string[],
  keyColumns: number,
): IndexLayout {
  const info = database.pragma(`index_info(${index.name})`) as { name: string }[];
  const indexed = info.map(({ name }) => columns.indexOf(name));
  const keys = columns.slice(0, keyColumns).map((_, place) => place);
  return {
    name: index.name,
    columns: [...indexed, ...keys.filter((place) => !indexed.includes(place))],
    holds: conditionOf(index.sql ?? "", columns),
    root: index.root,
    sql: index.sql ?? "",
  };
}

/** Reads the few forms of condition that the schema uses. */
function conditionOf(sql: string, columns: readonly string[]): IndexLayout["holds"] {
  const [, condition] = / WHERE (.+)$/.exec(sql) ?? [];
  if (condition === undefined) return () => true;
  const { column = "", test = "" } =
    /^(?<column>\w+) (?<test>IS NULL|IS NOT NULL|= \d+)$/.exec(condition)?.groups ?? {};
  const place = columns.indexOf(column);
  if (place === -1) throw new Error(`the condition of "${sql}" is of a form that is not read`);
  if (test === "IS NULL") return (row) => row[place] === null;
  if (test === "IS NOT NULL") return (row) => row[place] !== null;
  const wanted = Number(test.slice(2));
  return (row) => row[place] === wanted;
}
