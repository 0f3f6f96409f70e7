/** What is particular to homes in folders: what is damaged, cut short, or cannot be removed. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Redacted, type Scope } from "effect"
import * as FolderGuestHosts from "../../src/layers/embedded/FolderGuestHosts.ts"
import { GuestHosts } from "../../src/layers/embedded/GuestHosts.ts"
import { obstacleOf, StorageProbe } from "../../src/layers/embedded/StorageProbe.ts"
import { guestLink, serverSpec } from "../conformance/guestHosts.ts"

interface World {
  readonly hosts: GuestHosts["Service"]
  readonly root: string
  readonly at: (...path: ReadonlyArray<string>) => string
}

const test = (behaviour: string, body: (world: World) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it.effect(behaviour, () =>
    Effect.gen(function* () {
      const root = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "coffer-homes-"))),
        (root) => Effect.sync(() => rmSync(root, { recursive: true, force: true }))
      )
      const hosts = Context.get(yield* Layer.build(FolderGuestHosts.layer(root)), GuestHosts)
      yield* body({ hosts, root, at: (...path) => join(root, ...path) })
    }).pipe(Effect.scoped)
  )

const whole = /^[A-Za-z0-9]{36}$/

test("draws the password again where a power cut left an empty file, or a part", ({ at, hosts }) =>
  Effect.gen(function* () {
    const { notes } = yield* hosts.ensure(serverSpec("a"), null, "docker")
    for (const left of ["", "half"]) {
      writeFileSync(at("a", "admin"), left)
      const drawn = Redacted.value(yield* notes.adminPassword)
      assert.match(drawn, whole)
      assert.strictEqual(readFileSync(at("a", "admin"), "utf8"), drawn)
    }
  }))

test("tells of homes that are damaged or were never whole, since when, and of nothing of its own", ({ at, hosts }) =>
  Effect.gen(function* () {
    const before = Date.now() - 1000
    yield* hosts.ensure(serverSpec("whole"), null, "docker")
    yield* hosts.ensure(serverSpec("damaged"), null, "docker")
    writeFileSync(at("damaged", "server.json"), "{")
    mkdirSync(at("begun", "volume"), { recursive: true })
    mkdirSync(at(".probe"))
    const remains = yield* hosts.remains
    assert.sameMembers(
      remains.map(({ instanceId }) => instanceId),
      ["whole", "damaged", "begun"]
    )
    for (const { since } of remains) assert.isTrue(since === null || (since >= before && since <= Date.now() + 1000))
  }))

test("takes an empty file for one that is not there", ({ at, hosts }) =>
  Effect.gen(function* () {
    const { notes } = yield* hosts.ensure(serverSpec("a"), null, "docker")
    writeFileSync(at("a", "notes.json"), "")
    assert.strictEqual(yield* notes.phase, "new")
    writeFileSync(at("a", "server.json"), "")
    assert.deepEqual(yield* hosts.list, [])
    yield* hosts.ensure(serverSpec("a"), null, "docker")
    assert.strictEqual((yield* hosts.list).length, 1)
  }))

test("keeps what others may not read, and leaves no half files", ({ at, hosts }) =>
  Effect.gen(function* () {
    const { notes, replayFloor } = yield* hosts.ensure(serverSpec("a"), guestLink("key"), "docker")
    yield* notes.adminPassword
    yield* notes.setPhase("preparing")
    yield* replayFloor.write(1n)
    const files = ["admin", "link.json", "notes.json", "replay", "server.json"]
    assert.deepEqual(readdirSync(at("a")).sort(), [...files, "volume"])
    for (const file of files) {
      assert.strictEqual(statSync(at("a", file)).mode & 0o777, 0o600)
    }
  }))

test("lists the others when a home is damaged or a stray file lies there, and names the folder", ({ at, hosts }) => {
  const told: Array<string> = []
  const logger = Logger.make(({ logLevel, message }) => void told.push(`${logLevel} ${String(message)}`))
  return Effect.gen(function* () {
    yield* hosts.ensure(serverSpec("good"), null, "docker")
    yield* hosts.ensure(serverSpec("bad"), null, "docker")
    writeFileSync(at("bad", "server.json"), '{"spec":')
    writeFileSync(at("stray"), "")
    mkdirSync(at("empty"))
    assert.deepEqual(
      (yield* hosts.list).map(({ spec }) => spec.instanceId),
      ["good"]
    )
    assert.deepEqual(
      ["bad", "stray"].filter((name) => told.some((line) => line.startsWith("Error") && line.includes(at(name)))),
      ["bad", "stray"]
    )
    assert.strictEqual(told.length, 2)
  }).pipe(Effect.provide(Logger.layer([logger])))
})

test("says which file is damaged, and nothing of what is in it", ({ at, hosts }) =>
  Effect.gen(function* () {
    const { notes } = yield* hosts.ensure(serverSpec("a"), null, "docker")
    writeFileSync(at("a", "order.json"), '{"users":[{"_password":"s3cr3t"')
    const cause = yield* Effect.flip(Effect.sandbox(notes.order))
    assert.include(String(cause), at("a", "order.json"))
    assert.notInclude(String(cause), "s3cr3t")
    writeFileSync(at("a", "server.json"), "{")
    const error = yield* Effect.flip(hosts.find("a"))
    assert.deepEqual([error._tag, error.detail], ["GuestHostsError", `${at("a", "server.json")} is damaged`])
  }))

test("knows homes of before there were many hosts and agents, and of before guests had links", ({ at, hosts }) =>
  Effect.gen(function* () {
    yield* hosts.ensure(serverSpec("a"), null, "docker")
    const { agent: _, host: __, ...spec } = serverSpec("a")
    writeFileSync(at("a", "server.json"), JSON.stringify({ spec, runtime: "docker" }))
    const [home] = yield* hosts.list
    assert.deepEqual(home?.spec, serverSpec("a"))
    assert.isNull(home?.link)
  }))

test("takes a damaged floor for a guest that must not be spoken to, and tells nothing of a damaged link", (world) =>
  Effect.gen(function* () {
    const { at, hosts } = world
    const { replayFloor } = yield* hosts.ensure(serverSpec("a"), guestLink("s3cr3t"), "docker")
    writeFileSync(at("a", "replay"), "12x")
    assert.include(String(yield* Effect.flip(Effect.sandbox(replayFloor.read))), `${at("a", "replay")} is damaged`)
    writeFileSync(at("a", "link.json"), readFileSync(at("a", "link.json"), "utf8").slice(0, -2))
    const error = yield* Effect.flip(hosts.find("a"))
    assert.strictEqual(error.detail, `${at("a", "link.json")} is damaged`)
  }))

it.effect("finds out whether another home could be made, by making a small one, and leaves nothing of it", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "coffer-homes-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
      )
      const root = join(folder, "homes")
      const obstacle = Context.get(yield* Layer.build(FolderGuestHosts.layer(root)), StorageProbe)
      assert.strictEqual(yield* obstacle, `${root} cannot be written (ENOENT)`)
      mkdirSync(root)
      assert.isNull(yield* obstacle)
      assert.deepEqual(readdirSync(root), [])
      // As a power cut may have left it.
      mkdirSync(join(root, ".probe"))
      writeFileSync(join(root, ".probe", "written.new"), "")
      assert.isNull(yield* obstacle)
      assert.deepEqual(readdirSync(root), [])
      rmSync(root, { recursive: true })
      writeFileSync(root, "")
      assert.strictEqual(yield* obstacle, `${root} cannot be written (ENOTDIR)`)
    })
  )
)

test("takes a disk without room for one that can have no home", ({ root }) =>
  Effect.gen(function* () {
    assert.strictEqual(yield* obstacleOf(root, 2 ** 80), `${root} has less than ${2 ** 60} MB free`)
    assert.isNull(yield* obstacleOf(root, 1))
  }))

test("fails, and does not die, when a home cannot be removed", ({ hosts, root }) =>
  Effect.gen(function* () {
    // Refused to root as well: no folder has such a name.
    const error = yield* Effect.flip(hosts.remove("a".repeat(300)))
    assert.strictEqual(error._tag, "GuestHostsError")
    assert.include(error.detail, root)
  }))
