/** When a wait is over, and what it came to: over an API that plays what happens, on virtual time. */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import type { Entry } from "../../src/cli/answers.ts"
import type { Progress } from "../../src/cli/progress.ts"
import { awaitEnd, awaitService, awaitStopped, runFailure } from "../../src/cli/waiting.ts"
import { apiOf, aStep, connection, type Look } from "./fixture.ts"

const unseen: Progress = { show: () => Effect.void, end: Effect.void }

const building = { instance: { status: "BUILD" } }
const serving = { instance: { status: "ACTIVE", operating_status: "HEALTHY" } }
const busy = () => Response.json({ overLimit: { code: 413, message: "rate-limited" } }, { status: 413 })
const gone = () => Response.json({ itemNotFound: { code: 404, message: "no" } }, { status: 404 })
const broken = () => Response.json({ instanceFault: { code: 500, message: "oops" } }, { status: 500 })

/** Lets ten minutes pass, which is enough for all of them. */
const outcome = <A, E, R>(wait: Effect.Effect<A, E, R>, api: ReturnType<typeof apiOf>) =>
  Effect.gen(function* () {
    const waiting = yield* Effect.forkChild(wait)
    for (let n = 0; n < 600; n++) yield* TestClock.adjust("1 second")
    const exit = waiting.pollUnsafe()
    return exit === undefined ? ("it waits still" as const) : yield* exit
  }).pipe(Effect.provide(api.layer))

const service = (...sights: ReadonlyArray<Look>) => outcome(awaitService(connection, "i-1", unseen), apiOf(...sights))
const stop = (...sights: ReadonlyArray<Look>) =>
  outcome(
    awaitStopped(connection, "i-1", unseen, () => "the host said no."),
    apiOf(...sights)
  )
const end = (...sights: ReadonlyArray<Look>) => outcome(awaitEnd(connection, "i-1", unseen), apiOf(...sights))

describe("a wait for a service", () => {
  it.effect("is over when a client can log in", () =>
    Effect.gen(function* () {
      expect(yield* service(building, building, { instance: { status: "ACTIVE" } }, serving)).toBeNull()
      expect(yield* service({ instance: { status: "ACTIVE", operating_status: "ACTIVE" } })).toBeNull()
      expect(yield* service(building)).toBe("it waits still")
    })
  )

  it.effect("tells the fault of what failed, and who else has ended it", () =>
    Effect.gen(function* () {
      const failed = { instance: { status: "ERROR", fault: { message: "There is no such image." } } }
      expect(yield* service(building, failed)).toBe("There is no such image.")
      expect(yield* service(building, { instance: { status: "ERROR" } })).toBe("it is in ERROR.")
      expect(yield* service(building, { instance: { status: "SHUTDOWN" } })).toBe("it is being deleted, or stopped.")
      expect(yield* service(building, gone())).toBe("it is gone: somebody has deleted it.")
    })
  )

  it.effect("tells a stop from a delete, which have one status", () =>
    Effect.gen(function* () {
      const stopped = { instance: { status: "SHUTDOWN", operating_status: "SHUTDOWN" } }
      expect(yield* service({ instance: { status: "REBOOT" } }, stopped)).toBe("it is stopped.")
      const going = { instance: { status: "SHUTDOWN" } }
      expect(yield* stop(going, going, stopped)).toBeNull()
      expect(yield* stop(going)).toBe("it waits still")
      expect(yield* stop(going, serving)).toBe("the host said no.")
      expect(yield* stop(going, gone())).toBe("it is gone: somebody has deleted it.")
    })
  )

  it.effect("gives a database that is not well a minute", () =>
    Effect.gen(function* () {
      const unwell = { instance: { status: "ACTIVE", operating_status: "SHUTDOWN" } }
      expect(yield* service(unwell)).toBe("it is ACTIVE, but its database is SHUTDOWN.")
      expect(yield* service(...Array.from({ length: 40 }, () => unwell), serving)).toBeNull()
    })
  )

  it.effect("outlives a service that is busy, or away for a moment", () =>
    Effect.gen(function* () {
      expect(yield* service(busy(), building, busy(), busy(), serving)).toBeNull()
      expect(yield* service(building, null, null, broken(), serving)).toBeNull()
      const away = yield* Effect.flip(service(building, null))
      expect(away.message).toMatch(/^Nothing answers/)
      expect((yield* Effect.flip(service(null, serving))).message).toMatch(/^Nothing answers/)
      expect((yield* Effect.flip(service(building, broken()))).message).toBe("oops")
    })
  )
})

describe("a wait for the end", () => {
  const deleting = { instance: { status: "SHUTDOWN" } }
  const failed = { instance: { status: "ERROR", fault: { message: "The volume is stuck." } } }

  it.effect("is over when nothing is there any more", () =>
    Effect.gen(function* () {
      expect(yield* end(gone())).toBeNull()
      expect(yield* end(deleting, deleting, gone())).toBeNull()
      expect(yield* end(deleting)).toBe("it waits still")
    })
  )

  it.effect("does not take what was wrong before for a delete that failed", () =>
    Effect.gen(function* () {
      expect(yield* end(failed, failed, deleting, gone())).toBeNull()
      expect(yield* end(failed, failed, deleting, failed)).toBe("The volume is stuck.")
      expect(yield* end(failed)).toBe("The volume is stuck.")
      expect(yield* end(deleting, serving)).toBe("it is ACTIVE still.")
    })
  )
})

describe("a restart", () => {
  const step = (id: string, step: string, outcome: string, error: string | null = null): Entry => ({
    ...aStep,
    operation: "restart",
    operation_id: `restart-${id}`,
    step,
    outcome,
    error
  })
  const restarted = [step("1", "restart the database", "failed", "away"), step("1", "restart the database", "done")]
  const well = [...restarted, step("1", "report", "done")]
  const ill = [step("2", "restart the database", "failed", "The volume is full.")]

  it("went well when the database was restarted, whatever came before it", () => {
    expect(runFailure(["restart"], [])([aStep, ...well])).toBeNull()
    expect(runFailure(["restart"], [])([...restarted, step("1", "report", "running")])).toBeNull()
    expect(runFailure(["restart"], ill)([...ill, ...well])).toBeNull()
  })

  it("failed when it says so, and when nobody has begun it", () => {
    expect(runFailure(["restart"], well)([...well, ...ill])).toBe("The volume is full.")
    // What was done first does not make up for what failed after it.
    const guarded = [
      step("4", "restrict who reaches it", "done"),
      step("4", "restart the database", "failed", "It is gone.")
    ]
    expect(runFailure(["restart"], well)([...well, ...guarded])).toBe("It is gone.")
    expect(runFailure(["restart"], [])(restarted)).toBe("away")
    expect(runFailure(["restart"], well)(well)).toBe("it was called off.")
    expect(runFailure(["restart"], [])([])).toBe("it was called off.")
  })

  it.effect("is waited for until a client can log in, and its failure is told", () =>
    Effect.gen(function* () {
      const rebooting = { instance: { status: "REBOOT" }, entries: ill }
      const failure = runFailure(["restart"], well)
      const wait = awaitService(connection, "i-1", unseen, failure)
      expect(yield* outcome(wait, apiOf(rebooting, { ...serving, entries: ill }))).toBe("The volume is full.")
      const again = [...well, step("3", "restart the database", "done"), step("3", "report", "done")]
      expect(yield* outcome(wait, apiOf(rebooting, { ...serving, entries: again }))).toBeNull()
    })
  )
})
