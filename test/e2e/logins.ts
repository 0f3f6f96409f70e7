/** Logins as applications do them, with the drivers that applications use. */
import { createConnection } from "mysql2/promise"
import { Client } from "pg"

export interface Login {
  readonly user: string
  readonly password: string
  readonly address: string
  readonly database: string
}

export type Rows = ReadonlyArray<unknown>
export type Query = (sql: string) => Promise<Rows>

export const postgresUrl = ({ address, database, password, user }: Login) =>
  `postgresql://${user}:${password}@${address}:5432/${database}`

/** Logs in to PostgreSQL with `pg` for as long as `use` takes. */
export const withPostgres = async <A>(url: string, use: (query: Query) => Promise<A>) => {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 10_000 })
  // A server that goes away says so by an event that would end the tests if nobody listened.
  client.on("error", () => {})
  await client.connect()
  try {
    return await use(async (sql) => (await client.query(sql)).rows)
  } finally {
    await client.end()
  }
}

/** One statement of one login. */
export const postgres = (login: Login, sql: string) => withPostgres(postgresUrl(login), (query) => query(sql))

/** The same for MariaDB, with `mysql2`. */
export const mysql = async ({ address, database, password, user }: Login, sql: string): Promise<Rows> => {
  const connection = await createConnection({ host: address, user, password, database, connectTimeout: 10_000 })
  connection.on("error", () => {})
  try {
    const [rows] = await connection.query(sql)
    return Array.isArray(rows) ? rows.map((row): unknown => ({ ...row })) : []
  } finally {
    await connection.end()
  }
}
