/** The routes that reach inside an instance, over a real fabric and a guest that keeps lists. */
import { expect, it } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { answering } from "../../src/http/Faults.ts"
import { FabricError } from "../../src/services/Fabric.ts"
import { GuestRefusal } from "../../src/services/GuestApi.ts"
import { InstanceId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { active, call, order, path, recorded, server } from "./harness.ts"

const inside = (id: string, rest: string) => path(`/instances/${id}${rest}`)

it.effect("before it is up, an instance cannot be asked", () =>
  Effect.gen(function* () {
    const { id } = (yield* order()).json.instance
    for (const rest of ["/databases", "/users", "/users/u", "/root"]) {
      const { status, json } = yield* call("GET", inside(id, rest))
      expect(status).toBe(422)
      expect(json).toEqual({ unprocessableEntity: { code: 422, message: `Instance ${id} is not ready.` } })
    }
    expect((yield* call("GET", inside("nosuch", "/root"))).status).toBe(404)
  }).pipe(Effect.provide(server()))
)

it.effect("databases are made, listed, deleted", () =>
  Effect.gen(function* () {
    const { id, guest } = yield* active()
    const databases = inside(id, "/databases")
    const made = yield* call("POST", databases, {
      body: { databases: [{ name: "db1", character_set: "utf8", collate: "utf8_general_ci" }] }
    })
    expect([made.status, made.text]).toEqual([202, ""])
    expect(guest.databases).toEqual([{ name: "db1", characterSet: "utf8", collate: "utf8_general_ci" }])
    expect((yield* call("GET", databases)).json).toEqual(recorded("070").response.body)
    expect((yield* call("POST", databases, { body: { databases: [] } })).status).toBe(202)
    const again = yield* call("POST", databases, { body: { databases: [{ name: "db1" }] } })
    expect(again.json.badRequest.message).toBe('A database with the name "db1" already exists.')
    const reserved = yield* call("POST", databases, { body: { databases: [{ name: "mysql" }] } })
    expect(reserved.json).toEqual(recorded("072").response.body)
    expect((yield* call("DELETE", `${databases}/newdb`)).json).toEqual(recorded("073").response.body)
    expect((yield* call("DELETE", `${databases}/mysql`)).status).toBe(400)
    expect((yield* call("DELETE", `${databases}/db1`)).status).toBe(202)
    expect(guest.databases).toEqual([])
    expect((yield* call("GET", `${databases}/db1`)).status).toBe(501)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("users are made, listed, shown, deleted; their passwords are told to the guest only", () =>
  Effect.gen(function* () {
    const { id, guest } = yield* active()
    const users = inside(id, "/users")
    const made = yield* call("POST", users, {
      body: { users: [{ name: "u1", password: "pw12345", databases: [{ name: "db1" }] }] }
    })
    expect([made.status, made.text]).toEqual([202, ""])
    expect(guest.users[0]?.host).toBe("%")
    expect((yield* call("GET", users)).json).toEqual(recorded("074").response.body)
    const [user] = recorded("074").response.body.users
    for (const name of ["u1", "u1@%25", "u1@", "u1%40%25"])
      expect((yield* call("GET", `${users}/${name}`)).json).toEqual({ user })
    expect((yield* call("GET", `${users}/nosuch`)).json).toEqual({
      itemNotFound: { code: 404, message: "User nosuch@% cannot be found on the instance." }
    })
    expect((yield* call("GET", `${users}/root`)).status).toBe(400)
    const again = yield* call("POST", users, { body: { users: [{ name: "u1", password: "other" }] } })
    expect(again.json.badRequest.message).toBe('A user with the name "u1" already exists.')
    const host = { name: "u1", password: "other", host: "10.0.0.%" }
    expect((yield* call("POST", users, { body: { users: [host] } })).status).toBe(202)
    expect((yield* call("DELETE", `${users}/u1@10%2e0%2e0%2e%25`)).status).toBe(202)
    expect((yield* call("DELETE", `${users}/u1@10%2e0%2e0%2e%25`)).status).toBe(404)
    expect((yield* call("DELETE", `${users}/u1`)).status).toBe(202)
    const { request, response } = recorded("076")
    expect((yield* call("POST", users, { body: request.body })).status).toBe(response.status)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("a user's marker survives the two decodings that troveclient and a server give it", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    const users = inside(id, "/users")
    const body = { users: ["u1", "u2", "u3"].map((name) => ({ name, password: "pw" })) }
    yield* call("POST", users, { body })
    const first = (yield* call("GET", `${users}?limit=2`)).json
    expect(first.links[0].href).toMatch(/\?limit=2&marker=u2%2540%2525$/)
    const marker = new URL(first.links[0].href).searchParams.get("marker")
    const second = (yield* call("GET", `${users}?limit=2&marker=${marker}`)).json
    expect(second.users.map((user: { name: string }) => user.name)).toEqual(["u3"])
    expect("links" in second).toBe(false)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("where gophercloud looks for the next page there is a link to follow, as the request came", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    const users = inside(id, "/users")
    yield* call("POST", users, { body: { users: ["u1", "u2"].map((name) => ({ name, password: "pw" })) } })
    const { json } = yield* call("GET", `${users}?limit=1`)
    expect(json.users_links).toEqual([{ rel: "next", href: `http://127.0.0.1:8779${users}?limit=1&marker=u1%40%25` }])
    const second = (yield* call("GET", json.users_links[0].href.replace("http://127.0.0.1:8779", ""))).json
    expect(second.users.map((user: { name: string }) => user.name)).toEqual(["u2"])
    expect("users_links" in second).toBe(false)
    const proxied = yield* call("GET", `${users}?limit=1`, { headers: { "x-forwarded-proto": "https, http" } })
    expect(proxied.json.users_links[0].href).toMatch(/^https:/)
    yield* call("POST", inside(id, "/databases"), { body: { databases: [{ name: "d1" }, { name: "d2" }] } })
    expect((yield* call("GET", inside(id, "/databases?limit=1"))).json.databases_links).toHaveLength(1)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("no page is longer than 20", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    const databases = Array.from({ length: 25 }, (_, n) => ({ name: `d${String(n).padStart(2, "0")}` }))
    yield* call("POST", inside(id, "/databases"), { body: { databases } })
    const { json } = yield* call("GET", inside(id, "/databases?limit=100"))
    expect(json.databases).toHaveLength(20)
    expect(json.links[0].href).toMatch(/marker=d19$/)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("root is enabled with the guest's password or the caller's, shown, and disabled once", () =>
  Effect.gen(function* () {
    const { id, guest } = yield* active()
    const root = inside(id, "/root")
    expect((yield* call("GET", root)).json).toEqual(recorded("078").response.body)
    expect((yield* call("DELETE", root)).json).toEqual({
      itemNotFound: { code: 404, message: "Root user has never been enabled on the instance." }
    })
    const generated = { user: { name: "root", password: "generated-by-the-guest" } }
    expect((yield* call("POST", root)).json).toEqual(generated)
    expect((yield* call("POST", root, { body: {} })).json).toEqual(generated)
    expect((yield* call("GET", root)).json).toEqual(recorded("080").response.body)
    const chosen = yield* call("POST", root, { body: { password: "chosen-1" } })
    expect([chosen.status, chosen.json.user.password, guest.passwords]).toEqual([200, "chosen-1", ["chosen-1"]])
    const disabled = yield* call("DELETE", root)
    expect([disabled.status, disabled.text]).toEqual([204, ""])
    expect((yield* call("GET", root)).json).toEqual({ rootEnabled: false })
    expect((yield* call("DELETE", root)).status).toBe(404)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

const refusal = Effect.fail(new GuestRefusal({ message: "The password is too weak." }))

it.effect("root is on record before the guest is asked, so that a crash between leaves no root unknown", () =>
  Effect.gen(function* () {
    const { id, guest } = yield* active()
    const instances = yield* Instances
    const seen: Array<string> = []
    guest.root.enabling = Effect.map(instances.rootEnabled(InstanceId.make(id)), (recorded) => void seen.push(recorded))
    expect((yield* call("POST", inside(id, "/root"))).status).toBe(200)
    expect(seen).toEqual(["enabled"])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("a root that the guest refused is not on record, unless it was before", () =>
  Effect.gen(function* () {
    const { id, guest } = yield* active()
    const root = inside(id, "/root")
    guest.root.enabling = refusal
    const refused = yield* call("POST", root)
    expect([refused.status, refused.json.badRequest.message]).toEqual([400, "The password is too weak."])
    expect((yield* call("GET", root)).json).toEqual({ rootEnabled: false })
    expect((yield* call("DELETE", root)).status).toBe(404)

    guest.root.enabling = Effect.void
    yield* call("POST", root)
    guest.root.enabling = refusal
    expect((yield* call("POST", root)).status).toBe(400)
    expect((yield* call("GET", root)).json).toEqual({ rootEnabled: true })
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("a root that may have been enabled stays on record, and can be disabled", () =>
  Effect.gen(function* () {
    const { id, guest } = yield* active()
    const root = inside(id, "/root")
    for (const [enabling, disabling] of [
      [Effect.die("the guest crashed"), Effect.void],
      // A database that does not answer is a refusal, too, and may have done what it was told.
      [refusal, refusal]
    ] as const) {
      Object.assign(guest.root, { enabling, disabling })
      expect((yield* call("POST", root)).status).toBe(400)
      expect((yield* call("GET", root)).json).toEqual({ rootEnabled: true })
      guest.root.disabling = Effect.void
      expect((yield* call("DELETE", root)).status).toBe(204)
      expect((yield* call("GET", root)).json).toEqual({ rootEnabled: false })
    }
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("a guest that cannot be reached is a 400 that says so, and names no topic", () =>
  Effect.gen(function* () {
    const { id } = yield* Effect.scoped(active())
    const { status, json } = yield* call("GET", inside(id, "/databases"))
    expect(status).toBe(400)
    expect(json.badRequest.message).toBe(
      "An error occurred communicating with the guest: its guest agent cannot be reached."
    )
    expect((yield* call("GET", inside(id, ""))).json.instance.volume).toEqual({ size: 2 })
  }).pipe(Effect.provide(server()))
)

it.effect("a guest whose disk takes nothing is a 400 that says so, and names no path", () =>
  Effect.gen(function* () {
    for (const [reason, message] of [
      ["DiskFull", "the disk of its machine is full. Nothing was done."],
      ["DiskFailing", "the disk of its machine cannot be written to. Nothing was done."]
    ] as const) {
      const error = new FabricError({ reason, topic: "guestagent.a", method: "list_users", detail: "/srv: ENOSPC" })
      expect(yield* Effect.flip(answering(Effect.fail(error)))).toMatchObject({
        badRequest: { message: `An error occurred communicating with the guest: ${message}` }
      })
    }
  })
)

it.effect("a user is renamed, given a password or another host, and takes nobody's place", () =>
  Effect.gen(function* () {
    const { id, guest } = yield* active()
    const users = inside(id, "/users")
    yield* call("POST", users, { body: { users: ["u1", "u2"].map((name) => ({ name, password: "pw" })) } })
    const changed = yield* call("PUT", `${users}/u1`, {
      body: { user: { name: "u3", host: "10.0.0.%", password: "new" } }
    })
    expect([changed.status, changed.text]).toEqual([202, ""])
    expect((yield* call("GET", `${users}/u3@10.0.0.%25`)).json.user.host).toBe("10.0.0.%")
    expect(guest.users.map(({ password }) => Redacted.value(password))).toEqual(["new", "pw"])
    const taken = yield* call("PUT", `${users}/u3@10.0.0.%25`, { body: { user: { name: "u2", host: "%" } } })
    expect(taken.json.badRequest.message).toBe('A user with the name "u2" already exists.')
    // What stays as it is takes nobody's place.
    expect((yield* call("PUT", `${users}/u2`, { body: { user: { name: "u2", password: "newer" } } })).status).toBe(202)
    expect((yield* call("PUT", `${users}/u1`, { body: { user: { password: "x" } } })).json).toEqual({
      itemNotFound: { code: 404, message: "User u1@% cannot be found on the instance." }
    })
    expect((yield* call("PUT", `${users}/u2`, { body: { user: { name: "root" } } })).status).toBe(400)
    const nothing = yield* call("PUT", `${users}/u2`, { body: { user: {} } })
    expect([nothing.status, nothing.json.badRequest.message]).toEqual([
      400,
      "Validation error: user must name what is to change"
    ])
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("passwords are changed for all who are named, or for none where one is unknown", () =>
  Effect.gen(function* () {
    const { id, guest } = yield* active()
    const users = inside(id, "/users")
    const to = (password: string, ...names: ReadonlyArray<string>) => ({
      users: names.map((name) => ({ name, password }))
    })
    yield* call("POST", users, { body: to("old", "u1", "u2") })
    expect((yield* call("PUT", users, { body: to("new", "u1", "zz") })).json).toEqual({
      itemNotFound: { code: 404, message: "User zz@% cannot be found on the instance." }
    })
    const passwords = () => guest.users.map(({ password }) => Redacted.value(password))
    expect(passwords()).toEqual(["old", "old"])
    expect((yield* call("PUT", users, { body: to("new", "u1", "u2") })).status).toBe(202)
    expect(passwords()).toEqual(["new", "new"])
    expect((yield* call("PUT", users, { body: { users: [] } })).status).toBe(202)
  }).pipe(Effect.scoped, Effect.provide(server()))
)

it.effect("databases are granted to a user, shown, and revoked once", () =>
  Effect.gen(function* () {
    const { id } = yield* active()
    yield* call("POST", inside(id, "/databases"), { body: { databases: [{ name: "a.b" }, { name: "c" }] } })
    yield* call("POST", inside(id, "/users"), { body: { users: [{ name: "u1", password: "pw" }] } })
    const grants = inside(id, "/users/u1/databases")
    expect((yield* call("GET", grants)).json).toEqual({ databases: [] })
    const both = { databases: [{ name: "a.b" }, { name: "c" }] }
    const granted = yield* call("PUT", grants, { body: both })
    expect([granted.status, granted.text]).toEqual([202, ""])
    expect((yield* call("GET", grants)).json).toEqual(both)
    expect((yield* call("PUT", grants, { body: { databases: [{ name: "nowhere" }] } })).json).toEqual({
      itemNotFound: { code: 404, message: "Database nowhere cannot be found on the instance." }
    })
    expect((yield* call("PUT", grants, { body: { databases: [{ name: "mysql" }] } })).status).toBe(400)
    expect((yield* call("DELETE", `${grants}/a.b`)).status).toBe(202)
    expect((yield* call("DELETE", `${grants}/a.b`)).json).toEqual({
      itemNotFound: { code: 404, message: "User u1 has no access to database a.b." }
    })
    expect((yield* call("GET", grants)).json).toEqual({ databases: [{ name: "c" }] })
    for (const [method, path] of [
      ["GET", "/users/zz/databases"],
      ["DELETE", "/users/zz/databases/c"]
    ] as const)
      expect((yield* call(method, inside(id, path))).status).toBe(404)
  }).pipe(Effect.scoped, Effect.provide(server()))
)
