/** Servers that are made anew over their data: asked for by an administrator, done by the guest, told in the history. */
import { describe, expect, it } from "@effect/vitest"
import { Duration, Effect, Layer, Option } from "effect"
import { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { RebuildRequests } from "../../src/actors/RebuildRequests.ts"
import { RuntimeError } from "../../src/guest/DatabaseRuntime.ts"
import { Accesses } from "../../src/services/Accesses.ts"
import type { CatalogContents } from "../../src/services/Catalog.ts"
import * as OfferedCatalog from "../../src/services/catalog/OfferedCatalog.ts"
import { Configurations } from "../../src/services/configuration/Configurations.ts"
import { Fabric } from "../../src/services/Fabric.ts"
import { GuestApi, guestTopic } from "../../src/services/GuestApi.ts"
import type { InstanceId } from "../../src/services/Ids.ts"
import { InstanceRequests } from "../../src/services/InstanceRequests.ts"
import * as ControlPlane from "../kit/ControlPlane.ts"
import { FakeDatabases } from "../kit/FakeDatabases.ts"
import * as World from "../kit/World.ts"
import { aGroup, answerOverrides, isBack, live, shown } from "./inServiceOperations.ts"

const requests = (catalog: CatalogContents = ControlPlane.catalog) =>
  RebuildRequests.layer.pipe(Layer.provideMerge(InstanceRequests.layer), Layer.provide(OfferedCatalog.layer(catalog)))

const rebuild = (id: InstanceId, image = "v-1") =>
  Effect.provide(
    Effect.flatMap(RebuildRequests, (api) => api.request(id, image, "ann")),
    requests()
  )

const refusal = (id: InstanceId) => Effect.map(Effect.flip(rebuild(id)), ({ _tag }) => _tag)

const server = (id: InstanceId) => Effect.map(FakeDatabases, ({ servers }) => servers.get(id))

/** Back in service, as often made as told, with all that it had. */
const isMade = Effect.fnUntraced(function* (id: InstanceId, made: number) {
  yield* isBack(id)
  expect(yield* server(id)).toMatchObject({ made, isWhole: true })
})

const transitions = Effect.fnUntraced(function* (id: InstanceId) {
  const entries = yield* World.entries(id)
  return entries.flatMap((entry) => (entry.kind === "transition" ? [`${entry.to}: ${entry.because}`] : [])).slice(2)
})

const attached = Effect.fnUntraced(function* (id: InstanceId) {
  yield* (yield* Configurations).attach(id, yield* aGroup(live))
})

const sayNo = new RuntimeError({ message: "The host says no.", detail: "", transient: false })

describe("a rebuild", () => {
  it.effect("shows as itself while what is under way comes to its end", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* World.serving
        yield* answerOverrides(id, Effect.never)
        yield* attached(id)
        yield* World.passes("1 second")
        yield* rebuild(id)
        yield* World.passes("2 seconds")
        const { state } = Option.getOrThrow(yield* (yield* Lifecycles).load(id))
        expect([state._tag, yield* World.status(id)]).toEqual(["Configuring", "BUILD"])
      }).pipe(Effect.scoped)
    )
  )

  it.effect("makes the server anew over its data, at its address, and tells so", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* World.serving
        const { address } = yield* World.record(id)
        yield* rebuild(id)
        expect([yield* World.status(id), yield* World.operatingStatus(id)]).toEqual(["BUILD", ""])
        expect(yield* refusal(id)).toBe("InstanceNotActionable")
        yield* World.passes("5 seconds")
        yield* isMade(id, 2)
        expect((yield* World.record(id)).address).toBe(address)
        expect(yield* transitions(id)).toEqual(["Rebuilding: rebuild requested", "Active: the database was rebuilt"])
        expect(yield* World.story(id)).toEqual(
          expect.arrayContaining([
            "asked for by the operator ann: rebuild",
            "rebuild: make sure of the server done",
            "rebuild: rebuild the database done",
            "the guest: the database was rebuilt"
          ])
        )
      })
    )
  )

  it.effect("is the way out for a database that does not come up", () =>
    World.run(
      Effect.gen(function* () {
        const { crash, faults } = yield* FakeDatabases
        const id = yield* World.serving
        faults.startFails = sayNo
        crash(id)
        yield* World.passes("5 seconds")
        expect(yield* shown(id)).toEqual(["ACTIVE", "SHUTDOWN", false])
        yield* rebuild(id)
        yield* World.passes("10 seconds")
        expect((yield* transitions(id)).at(-1)).toBe("Active: the rebuild failed: The host says no.")
        expect(yield* World.status(id)).toBe("ACTIVE")
        faults.startFails = null
        yield* rebuild(id)
        yield* World.passes("10 seconds")
        yield* isBack(id)
        // A try of the guest's own may come before it, and makes what the first one has taken apart.
        expect((yield* server(id))?.made).toBeGreaterThanOrEqual(2)
        expect((yield* transitions(id)).at(-1)).toBe("Active: the database was rebuilt")
      })
    )
  )

  it.effect("mends what a defect has struck, and nothing that has no database", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* World.serving
        yield* (yield* Lifecycles).post(id, "poison", JSON.parse('{"_tag":"Explode"}'))
        yield* World.passes("90 seconds")
        expect(yield* World.status(id)).toBe("ERROR")
        yield* rebuild(id)
        yield* World.passes("5 seconds")
        yield* isMade(id, 2)
        faults.startFails = sayNo
        const failed = yield* World.create()
        yield* World.passes("5 seconds")
        expect(yield* World.status(failed)).toBe("ERROR")
        expect(yield* refusal(failed)).toBe("InstanceNotActionable")
      })
    )
  )

  it.effect("starts what was stopped, which stays so where it fails", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* World.serving
        yield* World.stop(id)
        yield* World.passes("2 seconds")
        faults.startFails = sayNo
        yield* rebuild(id)
        expect(yield* World.status(id)).toBe("BUILD")
        yield* World.passes("10 seconds")
        expect(yield* shown(id)).toEqual(["SHUTDOWN", "SHUTDOWN", false])
        expect((yield* transitions(id)).at(-1)).toBe("Stopped: the rebuild failed: The host says no.")
        faults.startFails = null
        yield* World.passes("2 minutes", "1 second")
        expect(yield* shown(id)).toEqual(["SHUTDOWN", "SHUTDOWN", false])
        yield* rebuild(id)
        yield* World.passes("5 seconds")
        yield* isMade(id, 2)
      })
    )
  )

  it.effect("touches nothing where the server cannot be taken apart, and tells why", () =>
    World.run(
      Effect.gen(function* () {
        const { faults } = yield* FakeDatabases
        const id = yield* World.serving
        faults.stopFails = sayNo
        yield* rebuild(id)
        yield* World.passes("5 seconds")
        yield* isMade(id, 1)
        expect((yield* transitions(id)).at(-1)).toBe("Active: the rebuild failed: The host says no.")
      })
    )
  )

  it.effect("waits for an image that is fetched, while its server serves and is looked after", () =>
    World.run(
      Effect.gen(function* () {
        const { crash, faults } = yield* FakeDatabases
        const id = yield* World.serving
        faults.fetchTime = Duration.minutes(20)
        yield* rebuild(id)
        yield* World.passes("10 minutes", "1 second")
        expect(yield* server(id)).toMatchObject({ running: true, made: 1 })
        crash(id)
        yield* World.passes("10 seconds", "1 second")
        expect(yield* server(id)).toMatchObject({ running: true, made: 1 })
        expect(yield* World.status(id)).toBe("BUILD")
        yield* World.passes("11 minutes", "1 second")
        yield* isMade(id, 2)
        expect((yield* transitions(id)).at(-1)).toBe("Active: the database was rebuilt")
        expect(JSON.stringify(yield* World.entries(id))).toContain("The image of the database is being fetched.")
      })
    )
  )

  it.effect("brings its guards and its size again, whatever became of them", () =>
    World.run(
      Effect.gen(function* () {
        const { firewall } = yield* FakeDatabases
        const id = yield* World.serving
        yield* (yield* Accesses).request(id, { allowed_cidrs: ["10.0.0.0/8"] })
        yield* World.passes("5 seconds")
        firewall.guards.clear()
        const before = yield* server(id)
        if (before !== undefined) before.limitMb = before.memoryMb = 7
        yield* rebuild(id)
        yield* World.passes("5 seconds")
        yield* isMade(id, 2)
        expect(firewall.guards.get(id)?.networks).toEqual(["10.0.0.0/8"])
        expect(yield* server(id)).toMatchObject({ limitMb: 512, memoryMb: 512 })
      })
    )
  )

  it.effect("follows what is on its way to the guest", () =>
    World.run(
      Effect.gen(function* () {
        const { firewall } = yield* FakeDatabases
        const id = yield* World.serving
        firewall.faults.isMissing = true
        yield* (yield* Accesses).request(id, { allowed_cidrs: ["10.0.0.0/8"] })
        yield* World.passes("500 millis")
        expect(yield* World.status(id)).toBe("RESTART_REQUIRED")
        yield* rebuild(id)
        firewall.faults.isMissing = false
        yield* World.passes("30 seconds")
        yield* isMade(id, 2)
      })
    )
  )

  it.effect("is of the program that the database works with, also after an upgrade, and of no other", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* World.serving
        const guest = (yield* Fabric).client(guestTopic(id), GuestApi)
        const other = yield* Effect.flip(guest.rebuild({ ds_version: "18", image: "postgres:other" }))
        expect(other.message).toContain("An upgrade to the same version brings that")
        yield* World.passes("5 seconds")
        yield* isMade(id, 1)
        yield* World.upgrade(id)
        yield* World.passes("30 seconds")
        expect(yield* refusal(id)).toBe("InvalidRequest")
        yield* rebuild(id, "postgres:18.4")
        yield* World.passes("5 seconds")
        yield* isMade(id, 2)
        expect((yield* server(id))?.version).toBe("18.4")
      })
    )
  )

  it.effect("is none of the machines that Trove's agents have", () =>
    World.run(
      Effect.gen(function* () {
        const id = yield* World.serving
        const { datastores, ...others } = ControlPlane.catalog
        const troves = datastores.map(({ versions, ...datastore }) => ({
          ...datastore,
          versions: versions.map((version) => ({ ...version, agent: "trove" as const }))
        }))
        const asked = Effect.flatMap(RebuildRequests, (api) => api.request(id, "v-1", "ann"))
        const { message } = yield* Effect.flip(Effect.provide(asked, requests({ ...others, datastores: troves })))
        expect(message).toBe("Instances that Trove's agents operate cannot be rebuilt.")
      })
    )
  )
})
