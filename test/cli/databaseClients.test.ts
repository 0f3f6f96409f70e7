/** How the databases' own clients are called. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { expect, it, onTestFinished } from "vitest"
import { clientOf, findProgram } from "../../src/cli/databaseClients.ts"

const login = { address: "127.0.0.2", user: "ann", database: "shop" }

it("a datastore is known by the name that a catalog may have for it", () => {
  const programs = ["postgresql", "PostgreSQL 18", "mariadb", "mysql", "percona"].map(
    (name) => clientOf(name)?.programs[0]
  )
  expect(programs).toEqual(["psql", "psql", "mariadb", "mysql", "mysql"])
  expect(clientOf("redis")).toBeUndefined()
})

it("a database's name is a name, whatever it looks like", () => {
  const psql = clientOf("postgresql")
  const odd = { ...login, database: "host=elsewhere.example" }
  expect(psql?.argumentsFor(odd).join(" ")).toBe("--host=127.0.0.2 --port=5432 --username=ann")
  expect(psql?.variablesFor(odd)).toEqual({ PGDATABASE: "host=elsewhere.example" })
  expect(psql?.variablesFor({ ...login, database: null })).toEqual({ PGDATABASE: "postgres" })
  const mariadb = clientOf("mariadb")
  expect(mariadb?.argumentsFor({ ...login, database: "--help" })).toContain("--database=--help")
  expect(mariadb?.argumentsFor({ ...login, database: null }).join(" ")).not.toContain("--database")
})

it("the first program that can be run is found, in the order of preference", () => {
  const folder = mkdtempSync(join(tmpdir(), "coffer-path-"))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, "mysql"), "")
  const path = `/nowhere::${folder}`
  expect(findProgram(["mariadb", "mysql"], path)).toBeNull()
  chmodSync(join(folder, "mysql"), 0o755)
  expect(findProgram(["mariadb", "mysql"], path)).toBe(join(folder, "mysql"))
  writeFileSync(join(folder, "mariadb"), "", { mode: 0o755 })
  expect(findProgram(["mariadb", "mysql"], path)).toBe(join(folder, "mariadb"))
  expect(findProgram(["mariadb"], "")).toBeNull()
})
