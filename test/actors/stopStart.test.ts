/** Databases that are stopped and started: asked of the store, done by the guest, told in the history. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import { Accesses } from "../../src/services/Accesses.ts"
import { Configurations } from "../../src/services/configuration/Configurations.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"
import { aGroup, isBack, shown, stopped } from "./inServiceOperations.ts"

const isRunning = (id: InstanceId) => Effect.map(FakeDatabases, ({ servers }) => servers.get(id)?.running)

const transitions = Effect.fnUntraced(function* (id: InstanceId) {
  const entries = yield* World.entries(id)
  return entries.flatMap((entry) => (entry.kind === "transition" ? [`${entry.to}: ${entry.because}`] : [])).slice(2)
})

const refusal = new RuntimeError({ message: "The host says no.", detail: "", transient: false })

describe("a stop", () => {
  it.effect("brings the database to its end, tells so, and a start brings it back with its data", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* World.serving
        expect([yield* World.stop(id), yield* World.stop(id), yield* World.restart(id)]).toEqual([true, false, false])
        expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["SHUTDOWN", ""])
        yield* World.passes("2 seconds")
        expect(yield* shown(id)).toEqual(["SHUTDOWN", "SHUTDOWN", false])
        expect([yield* World.stop(id), yield* World.restart(id)]).toEqual([false, false])
        faults.startTime = Duration.seconds(3)
        expect([yield* World.start(id), yield* World.start(id)]).toEqual([true, false])
        expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["REBOOT", ""])
        yield* World.passes("5 seconds")
        yield* isBack(id)
        expect(yield* World.start(id)).toBe(false)
        expect(yield* transitions(id)).toEqual([
          "Stopping: stop requested",
          "Stopped: the database was stopped",
          "Starting: start requested",
          "Active: the database was started"
        ])
        expect(yield* World.story(id)).toEqual(
          expect.arrayContaining([
            "the guest: the database was stopped",
            "stop: stop the database done",
            "the guest: the database was started",
            "start: start the database done"
          ])
        )
      })
    )
  )

  it.effect("lasts, and nobody is alarmed", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* stopped
        yield* World.passes("20 minutes", "1 second")
        expect(yield* shown(id)).toEqual(["SHUTDOWN", "SHUTDOWN", false])
        const story = yield* World.story(id)
        expect(story.filter((line) => /crashed|silent/.test(line))).toEqual([])
      })
    )
  )

  it.effect("lasts across the death of every process; what was stopped can be started after it", () =>
    World.runWithDeath(
      (call, step) => call === "started" && step === "report" && isStopping,
      Effect.gen(function* () {
        const id = yield* World.serving
        isStopping = true
        yield* World.stop(id)
        yield* World.passes("5 seconds")
        return id
      }),
      (id) =>
        Effect.gen(function* () {
          isStopping = false
          yield* World.passes("2 minutes", "500 millis")
          expect(yield* shown(id)).toEqual(["SHUTDOWN", "SHUTDOWN", false])
          expect(yield* World.start(id)).toBe(true)
          yield* World.passes("10 seconds")
          yield* isBack(id)
        })
    )
  )
  let isStopping = false

  it.effect("that fails leaves the database in service, and tells why", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* World.serving
        faults.stopFails = refusal
        yield* World.stop(id)
        yield* World.passes("5 seconds")
        yield* isBack(id)
        expect(yield* transitions(id)).toEqual([
          "Stopping: stop requested",
          "Active: the stop failed: The host says no."
        ])
        faults.stopFails = null
        // The guest keeps it running as before.
        ;(yield* FakeDatabases).crash(id)
        yield* World.passes("10 seconds")
        yield* isBack(id)
      })
    )
  )
})

describe("a start", () => {
  it.effect("that fails leaves it stopped, and tells why; the next one may do better", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* stopped
        faults.startFails = refusal
        yield* World.start(id)
        yield* World.passes("1 minute", "500 millis")
        expect(yield* shown(id)).toEqual(["SHUTDOWN", "SHUTDOWN", false])
        expect((yield* transitions(id)).at(-1)).toBe("Stopped: the start failed: The host says no.")
        faults.startFails = null
        yield* World.passes("5 minutes", "1 second")
        expect(yield* isRunning(id)).toBe(false)
        yield* World.start(id)
        yield* World.passes("5 seconds")
        yield* isBack(id)
      })
    )
  )

  it.effect("brings the configuration group that was attached meanwhile", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* stopped
        const group = yield* aGroup({ max_connections: 42 })
        const configurations = yield* Configurations
        expect(yield* configurations.attach(id, group)).toBe(true)
        yield* World.passes("5 seconds")
        expect(yield* shown(id)).toEqual(["SHUTDOWN", "SHUTDOWN", false])
        yield* World.start(id)
        yield* World.passes("5 seconds")
        yield* isBack(id)
        expect((yield* FakeDatabases).servers.get(id)?.settings).toEqual({ max_connections: 42 })
      })
    )
  )

  it.effect("lets nobody in whom a change has kept out meanwhile", () =>
    World.run(
      Effect.gen(function* () {
        const { firewall } = yield* FakeDatabases
        const networks = (id: InstanceId) => firewall.guards.get(id)?.networks ?? []
        const id = yield* stopped
        yield* (yield* Accesses).request(id, { allowed_cidrs: ["10.0.0.0/8"] })
        yield* World.passes("5 seconds")
        expect([yield* World.status(id), networks(id)]).toEqual(["SHUTDOWN", []])
        yield* World.start(id)
        yield* World.passes("5 seconds")
        yield* isBack(id)
        expect(networks(id)).toEqual(["10.0.0.0/8"])
        const steps = (yield* World.story(id)).filter((line) => line.startsWith("start: "))
        expect(steps.slice(0, 2)).toEqual(["start: restrict who reaches it done", "start: start the database done"])
      })
    )
  )
})
