/** The names that a tenant may give, by datastore: a table. */
import { expect, it } from "@effect/vitest"
import { Redacted } from "effect"
import { refuseDatabaseName, refuseDatabases, refuseUserName, refuseUsers } from "../../src/services/NameRules.ts"

it.each([
  ["mariadb", "shop", null],
  ["mariadb", "MySQL", /reserved/],
  ["mariadb", "back\\slash", /must not contain/],
  ["mariadb", "x".repeat(65), /64/],
  ["mariadb", " padded", /space/],
  ["postgresql", "mysql", null],
  ["postgresql", "template1", /reserved/],
  ["postgresql", "é".repeat(32), /63 bytes/],
  ["postgresql", "tail ", /end with a space/]
] as const)("a %s database may be called '%s', or not", (manager, name, refusal) => {
  const answer = refuseDatabaseName(manager, name)
  if (refusal === null) expect(answer).toBeNull()
  else expect(answer).toMatch(refusal)
})

it.each([
  ["mariadb", "alice", null],
  ["mariadb", "root", /reserved/],
  ["mariadb", "public", /reserved/],
  ["mariadb", "a;b", /must not contain/],
  ["mariadb", "x".repeat(33), /32/],
  ["postgresql", "Root", null],
  ["postgresql", "root", /reserved/],
  ["postgresql", "postgres", /reserved/],
  ["postgresql", "pg_me", /PostgreSQL's own/]
] as const)("a %s user may be called '%s', or not", (manager, name, refusal) => {
  const answer = refuseUserName(manager, name)
  if (refusal === null) expect(answer).toBeNull()
  else expect(answer).toMatch(refusal)
})

it("databases are refused for a twin, and for a character set that is no word", () => {
  expect(refuseDatabases("mysql", [{ name: "aa" }, { name: "ab" }])).toBeNull()
  expect(refuseDatabases("mysql", [{ name: "aa" }, { name: "aa" }])).toMatch(/share the same name/)
  expect(refuseDatabases("mysql", [{ name: "aa", characterSet: "utf8'; --" }])).toMatch(/no character set/)
})

it("users are refused for a twin of name and host, for a host and for a grant that cannot be", () => {
  const user = (name: string, host: string | null, databases: ReadonlyArray<{ name: string }> = []) => ({
    name,
    host,
    databases,
    password: Redacted.make("hush-hush")
  })
  expect(refuseUsers("mysql", [user("u", "%"), user("u", "10.0.0.1")])).toBeNull()
  const refusals = [
    refuseUsers("mysql", [user("u", null), user("u", "%")]),
    refuseUsers("mysql", [user("u", "a b")]),
    refuseUsers("mysql", [user("u", "%", [{ name: "mysql" }])])
  ]
  for (const refusal of refusals) {
    expect(refusal).not.toBeNull()
    expect(refusal).not.toContain("hush")
  }
})
