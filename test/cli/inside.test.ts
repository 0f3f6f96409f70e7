/** `coffer database`, `user` and `root` against a real API: what they ask, print and advise. */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { Command } from "effect/cli"
import { database } from "../../src/cli/database.ts"
import { root } from "../../src/cli/root.ts"
import { user } from "../../src/cli/user.ts"
import { fileWith } from "../config/fixture.ts"
import { active, call, order, path, project, serveGuest, server } from "../http/harness.ts"
import { commands, quietly } from "./commands.ts"

const { coffer } = commands(Command.make("coffer").pipe(Command.withSubcommands([database, user, root])))

/** An instance named first, whose guest keeps what it is told. */
const first = Effect.flatMap(active({ name: "first" }), ({ id }) => serveGuest(id))

const oneOf = (...words: ReadonlyArray<string>) =>
  Effect.map(coffer(...words), ({ code, err, out }) => (code === 0 ? out : `${code}: ${err}`))

describe("databases", () => {
  it.live("are made, listed on all pages, and deleted", () =>
    Effect.gen(function* () {
      const { databases } = yield* first
      expect(yield* oneOf("database", "list", "first")).toBe("There are none. Make one with: coffer database create\n")
      expect(yield* oneOf("database", "create", "first", "shop", "stock", "--character-set", "utf8")).toBe(
        "shop, stock: made.\n"
      )
      expect(databases).toEqual([
        { name: "shop", characterSet: "utf8" },
        { name: "stock", characterSet: "utf8" }
      ])
      // A page is 20 long; what is in a link has to be read right.
      const names = Array.from({ length: 45 }, (_, n) => `a%20 +${n + 10}`)
      databases.push(...names.map((name) => ({ name })))
      const listed = yield* oneOf("database", "list", "first")
      expect(listed.trimEnd().split("\n")).toEqual(["NAME", ...names, "shop", "stock"])
      const left = JSON.parse(yield* oneOf("database", "delete", "first", "a%20 +10", "--json"))
      expect(left.databases).toHaveLength(46)
      expect(databases.map(({ name }) => name)).not.toContain("a%20 +10")
      expect(yield* oneOf("database", "delete", "first", "nosuch")).toBe(
        "1: coffer: Database nosuch cannot be found on the instance. See which there are: coffer database list first\n"
      )
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )

  it.live("of an instance that is not there, or not ready, are asked for in vain, with a way on", () =>
    Effect.gen(function* () {
      expect(yield* oneOf("database", "list", "nosuch")).toBe(
        `1: coffer: There is no instance named nosuch in the project ${project}. See: coffer instance list\n`
      )
      const id = "00000000-0000-4000-8000-00000000ffff"
      expect(yield* oneOf("database", "list", id)).toBe(
        `1: coffer: Resource ${id} cannot be found. See which instances there are: coffer instance list\n`
      )
      const { json } = yield* order({ name: "young" })
      expect(yield* oneOf("database", "list", "young")).toBe(
        `1: coffer: Instance ${json.instance.id} is not ready. See what it does: coffer instance show --watch young\n`
      )
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )
})

describe("users", () => {
  it.live("are made with drawn passwords, which are told once", () =>
    Effect.gen(function* () {
      const { users } = yield* first
      const { code, err, out } = yield* coffer("user", "create", "first", "ann", "bob", "--host", "10.0.0.%")
      expect([code, err]).toEqual([0, ""])
      const [made, ...told] = out.trimEnd().split("\n")
      expect(made).toBe("ann, bob: made.")
      expect(told).toEqual(
        users.map(({ name, password }) => `The password of ${name}, told only now: ${Redacted.value(password)}`)
      )
      expect(users.map(({ host, name, password }) => [name, host, Redacted.value(password).length])).toEqual([
        ["ann", "10.0.0.%", 24],
        ["bob", "10.0.0.%", 24]
      ])
      const document = JSON.parse(yield* oneOf("user", "create", "first", "cleo", "--json"))
      expect(document).toEqual({
        users: [{ name: "cleo", host: "%", databases: [] }],
        passwords: { cleo: Redacted.value(users[2]?.password ?? Redacted.make("")) }
      })
      expect(yield* oneOf("user", "create", "first", "ann", "--host", "10.0.0.%")).toBe(
        '1: coffer: A user with the name "ann" already exists.\n'
      )
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )

  it.live("are shown, changed, let in and kept out", () =>
    Effect.gen(function* () {
      const { databases, users } = yield* first
      databases.push({ name: "shop" }, { name: "stock" })
      const one = yield* fileWith("hush-1\n")
      expect(yield* oneOf("user", "create", "first", "ann", "--database", "shop", "--password-file", one)).toBe(
        "ann: made.\n"
      )
      expect(yield* oneOf("user", "grant", "first", "ann", "stock")).toBe(
        "NAME  HOST  DATABASES\nann   %     shop, stock\n"
      )
      expect(yield* oneOf("user", "revoke", "first", "ann", "shop")).toBe("NAME  HOST  DATABASES\nann   %     stock\n")
      expect(yield* oneOf("user", "revoke", "first", "ann", "shop")).toBe(
        "1: coffer: User ann has no access to database shop. See who may use what: coffer user list first\n"
      )
      expect(yield* oneOf("user", "update", "first", "ann", "--name", "anna", "--host", "10.0.0.1")).toBe(
        "NAME  HOST      DATABASES\nanna  10.0.0.1  stock\n"
      )
      expect(yield* oneOf("user", "update", "first", "anna@10.0.0.1")).toMatch(
        /^1: coffer: Say what is to change: --name/
      )
      const two = yield* fileWith("hush-2\n")
      expect(yield* oneOf("user", "passwd", "first", "anna@10.0.0.1", "--password-file", two)).toBe(
        "anna@10.0.0.1 has another password.\n"
      )
      expect(users.map(({ name, password }) => [name, Redacted.value(password)])).toEqual([["anna", "hush-2"]])
      const shown = JSON.parse(yield* oneOf("user", "show", "first", "anna@10.0.0.1", "--json"))
      expect(shown).toEqual({ user: { name: "anna", host: "10.0.0.1", databases: [{ name: "stock" }] } })
      expect(yield* oneOf("user", "show", "first", "anna")).toBe(
        "1: coffer: User anna@% cannot be found on the instance. See which there are: coffer user list first\n"
      )
      expect(yield* oneOf("user", "delete", "first", "anna@10.0.0.1")).toBe("anna@10.0.0.1 is gone.\n")
      expect(JSON.parse(yield* oneOf("user", "list", "first", "--json"))).toEqual({ users: [] })
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )

  it.live("keep what they have where the command is not understood, and no password is an argument", () =>
    Effect.gen(function* () {
      const { users } = yield* first
      const file = yield* fileWith("hush\n")
      expect(yield* oneOf("user", "create", "first", "ann", "--password", "hush")).toMatch(/^1: /)
      expect(yield* oneOf("user", "create", "first", "ann", "bob", "--password-file", file)).toMatch(/2 lines, none/)
      expect(yield* oneOf("user", "create", "first", "ann", "--password-file", file, "--ask-password")).toMatch(
        /not both/
      )
      expect(users).toEqual([])
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )
})

describe("root", () => {
  it.live("is enabled with a password that is told once, and disabled", () =>
    Effect.gen(function* () {
      const { passwords } = yield* first
      expect(yield* oneOf("root", "show", "first")).toBe("root is not enabled on first.\n")
      expect(yield* oneOf("root", "disable", "first")).toMatch(/Enable it: coffer root enable first\n$/)
      const told = yield* oneOf("root", "enable", "first")
      expect(told).toBe(`root is enabled on first.\nThe password of root, told only now: ${passwords[0]}\n`)
      const document = JSON.parse(yield* oneOf("root", "enable", "first", "--json"))
      expect(document).toEqual({ user: { name: "root", password: passwords[1] } })
      expect(yield* oneOf("root", "show", "first")).toBe("root is enabled on first.\n")
      expect(JSON.parse(yield* oneOf("root", "disable", "first", "--json"))).toEqual({ rootEnabled: false })
      const { json } = yield* call("GET", path("/instances"))
      expect(json.instances).toHaveLength(1)
    }).pipe(Effect.scoped, Effect.provide(quietly(server())))
  )
})
