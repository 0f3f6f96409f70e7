/** The programs that log in to an instance, and how each is told where and as whom. No secret is an argument. */
import { accessSync, constants } from "node:fs"
import { delimiter, join } from "node:path"

export interface Login {
  readonly address: string
  readonly user: string
  /** Null where none is meant. */
  readonly database: string | null
}

interface DatabaseClient {
  /** What it is called; the first one that is there is run. */
  readonly programs: readonly [string, ...ReadonlyArray<string>]
  /** What Debian and its like install it by. */
  readonly packageName: string
  /** A variable from which it takes the password without asking. */
  readonly passwordVariable: string
  readonly argumentsFor: (login: Login) => ReadonlyArray<string>
  readonly variablesFor: (login: Login) => Readonly<Record<string, string>>
  /** What makes it ask for a password; it does not on its own. */
  readonly askArguments: ReadonlyArray<string>
}

const psql: DatabaseClient = {
  programs: ["psql"],
  packageName: "postgresql-client",
  passwordVariable: "PGPASSWORD",
  argumentsFor: ({ address, user }) => [`--host=${address}`, "--port=5432", `--username=${user}`],
  // Not an argument, where "host=…" in the name of a database would lead to another server. Every server has `postgres`.
  variablesFor: ({ database }) => ({ PGDATABASE: database ?? "postgres" }),
  askArguments: []
}

const mysqlArguments = ({ address, database, user }: Login) => [
  `--host=${address}`,
  "--port=3306",
  "--protocol=tcp",
  `--user=${user}`,
  ...(database === null ? [] : [`--database=${database}`])
]

const mariadb: DatabaseClient = {
  programs: ["mariadb", "mysql"],
  packageName: "mariadb-client",
  passwordVariable: "MYSQL_PWD",
  argumentsFor: mysqlArguments,
  variablesFor: () => ({}),
  askArguments: ["--password"]
}

const mysql: DatabaseClient = { ...mariadb, programs: ["mysql", "mariadb"], packageName: "default-mysql-client" }

const clients: ReadonlyArray<readonly [name: RegExp, client: DatabaseClient]> = [
  [/postgres/i, psql],
  [/maria/i, mariadb],
  [/mysql|percona/i, mysql]
]

/** By the name that the catalog has for the datastore; undefined where none is known. */
export const clientOf = (datastore: string): DatabaseClient | undefined =>
  clients.find(([name]) => name.test(datastore))?.[1]

const canRun = (path: string) => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** The first of these programs that is in a folder of PATH; null where none is. */
export const findProgram = (programs: ReadonlyArray<string>, path: string): string | null => {
  const folders = path.split(delimiter).filter((folder) => folder !== "")
  return programs.flatMap((name) => folders.map((folder) => join(folder, name))).find(canRun) ?? null
}
