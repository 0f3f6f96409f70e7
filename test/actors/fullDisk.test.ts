/** A machine whose disk is full: whoever waits for something there is told so, and what serves goes on serving. */
import { expect, it } from "@effect/vitest"
import { Duration, Effect, Logger, type Scope } from "effect"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import { MemoryDisk } from "../../src/layers/memory/MemoryGuestHosts.ts"
import type { DiskTrouble } from "../../src/services/Disk.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"

const full = "The disk of the database's machine is full."

const told: Array<string> = []
const log = Logger.layer([Logger.make(({ logLevel, message }) => void told.push(`${logLevel} ${String(message)}`))])

const test = <E>(
  behaviour: string,
  body: (becomes: (trouble: DiskTrouble | null) => void) => Effect.Effect<void, E, World.World | Scope.Scope>
) =>
  it.effect(behaviour, () => {
    told.length = 0
    const disk: { trouble: DiskTrouble | null } = { trouble: null }
    const becomes = (trouble: DiskTrouble | null) => {
      disk.trouble = trouble
    }
    return World.run(body(becomes)).pipe(Effect.provideService(MemoryDisk, disk), Effect.provide(log))
  })

const isServing = Effect.fnUntraced(function* (id: InstanceId) {
  expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["ACTIVE", "HEALTHY"])
  expect((yield* FakeDatabases).servers.get(id)).toMatchObject({ running: true })
})

const serving = Effect.gen(function* () {
  const id = yield* World.create(["shop"])
  yield* World.passes("5 seconds")
  yield* isServing(id)
  return id
})

const failures = (id: InstanceId) =>
  Effect.map(World.entries(id), (entries) =>
    entries.flatMap((entry) => (entry.kind === "step" && entry.outcome === "failed" ? [entry] : []))
  )

for (const [trouble, message, errno] of [
  ["DiskFull", full, "ENOSPC"],
  ["DiskFailing", "The disk of the database's machine cannot be written to.", "EIO"]
] as const) {
  test(`fails a restart by name (${trouble}), and stops nothing that would not come up again`, (becomes) =>
    Effect.gen(function* () {
      const { servers } = yield* FakeDatabases
      const id = yield* serving
      becomes(trouble)
      yield* World.restart(id)
      for (let n = 0; n < 12; n++) {
        yield* World.passes("10 seconds", "500 millis")
        expect(servers.get(id)?.running).toBe(true)
      }
      yield* isServing(id)
      expect(yield* World.story(id)).toContain("Restarting → Active")
      const failed = yield* failures(id)
      expect(failed).toHaveLength(5)
      for (const { detail, error } of failed) {
        expect(error).toBe(message)
        expect(detail).toContain(`/volumes/${id}/notes.json: ${errno}`)
      }
      const said = told.filter((line) => line.includes(errno) && line.includes("keeps no notes"))
      expect(said).toHaveLength(1)
    }))
}

test("fails a stop, and stops nothing that the next agent would start", (becomes) =>
  Effect.gen(function* () {
    const { servers } = yield* FakeDatabases
    const id = yield* serving
    becomes("DiskFull")
    expect(yield* World.stop(id)).toBe(true)
    for (let n = 0; n < 12; n++) {
      yield* World.passes("10 seconds", "500 millis")
      expect(servers.get(id)?.running).toBe(true)
    }
    yield* isServing(id)
    expect(yield* World.story(id)).toContain("Stopping → Active")
    becomes(null)
    expect(yield* World.stop(id)).toBe(true)
    yield* World.passes("5 seconds")
    expect([yield* World.status(id), servers.get(id)?.running]).toEqual(["SHUTDOWN", false])
  }))

test("lets a restart wait, which is done when there is room", (becomes) =>
  Effect.gen(function* () {
    const id = yield* serving
    becomes("DiskFull")
    yield* World.restart(id)
    yield* World.passes("30 seconds")
    expect(yield* World.status(id)).toBe("REBOOT")
    becomes(null)
    yield* World.passes("10 seconds")
    yield* isServing(id)
    expect(yield* World.story(id)).toContain("the guest: the database was restarted")
  }))

test("keeps no guest from starting a database that has crashed, and from telling", (becomes) =>
  Effect.gen(function* () {
    const { crash, faults } = yield* FakeDatabases
    const id = yield* serving
    faults.startTime = Duration.seconds(5)
    becomes("DiskFull")
    // Longer than stamps are reserved for.
    yield* World.passes("15 minutes", "1 second")
    yield* isServing(id)
    crash(id)
    yield* World.passes("2 seconds")
    expect(yield* World.operatingStatus(id)).not.toBe("HEALTHY")
    yield* World.passes("10 seconds")
    yield* isServing(id)
    expect(told.filter((line) => line.includes("ENOSPC"))).toHaveLength(1)
    expect(told.filter((line) => line.includes("met a bug"))).toEqual([])
  }))

test("lets a build wait for room with what it has made, and says why", (becomes) =>
  Effect.gen(function* () {
    const { faults, initialised } = yield* FakeDatabases
    faults.startTime = Duration.seconds(3)
    const id = yield* World.create(["shop"])
    yield* World.passes("2 seconds")
    becomes("DiskFull")
    yield* World.passes("30 seconds")
    expect(yield* World.status(id)).toBe("BUILD")
    expect(yield* World.story(id)).toContain(`the guest: ${full}`)
    becomes(null)
    yield* World.passes("5 seconds")
    yield* isServing(id)
    expect(initialised(id)).toBe(1)
  }))

test("fails a build that it is the end of at once, with the reason", (becomes) =>
  Effect.gen(function* () {
    const { faults } = yield* FakeDatabases
    // It is tried for a quarter of a minute.
    faults.startFails = new RuntimeError({ message: "The database could not be made.", detail: "28", transient: true })
    const id = yield* World.create(["shop"])
    yield* World.passes("2 seconds")
    becomes("DiskFull")
    yield* World.passes("30 seconds")
    expect(yield* World.status(id)).toBe("ERROR")
    expect(yield* World.fault(id)).toMatchObject({
      message: expect.stringContaining(`The database could not be made. ${full}`)
    })
  }))

test("makes no server there, and says why; a delete takes back what there is", (becomes) =>
  Effect.gen(function* () {
    const id = yield* serving
    becomes("DiskFull")
    const other = yield* World.create(["shop"])
    yield* World.passes("10 seconds")
    expect(yield* World.status(other)).toBe("BUILD")
    expect((yield* failures(other)).at(-1)).toMatchObject({ error: full, detail: expect.stringContaining("ENOSPC") })
    for (const each of [id, other]) yield* World.remove(each)
    yield* World.passes("1 minute", "500 millis")
    for (const each of [id, other]) expect(yield* World.status(each)).toBeNull()
    expect((yield* FakeDatabases).servers.size).toBe(0)
  }))
