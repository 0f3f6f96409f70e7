/** What every store of who may reach instances must do: run by the one in memory and by PostgreSQL. */
import { expect, layer } from "@effect/vitest"
import { Effect, type Layer, Option } from "effect"
import type { State } from "../../src/actors/Instance.ts"
import type { Lifecycles } from "../../src/actors/Lifecycles.ts"
import { Accesses } from "../../src/services/Accesses.ts"
import { InstanceId, operationId } from "../../src/services/Ids.ts"
import { Instances } from "../../src/services/Instances.ts"
import { mail, move } from "./asActor.ts"
import { create, uuid } from "./asApi.ts"

const before = { is_public: false, allowed_cidrs: ["10.0.0.0/8"] }
const after = { allowed_cidrs: ["192.168.7.0/24", "10.0.0.0/8"] }

const anInstance = create({ access: before })

const shown = (id: InstanceId) =>
  Effect.flatMap(Instances, (instances) =>
    Effect.map(instances.get("any", id), (record) => Option.getOrNull(record)?.desired.access)
  )

export const accessesConformance = <R>(
  name: string,
  store: Layer.Layer<Accesses | Instances | Lifecycles | R, unknown>
) =>
  layer(store, { excludeTestServices: true, timeout: 60_000 })(name, (it) => {
    it.effect("takes what is wanted whole, with a command once it is being built", () =>
      Effect.gen(function* () {
        const accesses = yield* Accesses
        const id = yield* anInstance
        expect(yield* accesses.wanted(id)).toEqual(before)
        yield* accesses.request(id, {})
        expect([yield* accesses.wanted(id), yield* mail(id)]).toEqual([{}, ["Create"]])
        const building: State = { _tag: "Building", operation: operationId("build", "1"), deadline: 4e12 }
        for (const state of [building, { _tag: "Active" } as const]) {
          yield* move(id, state)
          yield* accesses.request(id, after)
          yield* accesses.request(id, after)
          expect([yield* shown(id), yield* mail(id)]).toEqual([after, ["Configure"]])
        }
      })
    )

    it.effect("tells nothing to one that is going, and writes nothing of one that is gone", () =>
      Effect.gen(function* () {
        const accesses = yield* Accesses
        const id = yield* anInstance
        yield* move(id, { _tag: "Active" })
        yield* (yield* Instances).requestDelete(id)
        yield* accesses.request(id, after)
        expect([yield* shown(id), yield* mail(id)]).toEqual([after, ["Delete"]])
        yield* move(id, { _tag: "Deleted", at: 0 })
        yield* accesses.request(id, {})
        yield* accesses.request(InstanceId.make(uuid()), {})
        expect(yield* mail(id)).toEqual([])
      })
    )

    it.effect("keeps what was told", () =>
      Effect.gen(function* () {
        const accesses = yield* Accesses
        const id = yield* anInstance
        expect(yield* accesses.told(id)).toEqual([])
        yield* accesses.setTold(id, ["10.0.0.0/8"])
        yield* accesses.setTold(id, ["10.0.0.0/8", "127.0.0.0/8"])
        expect(yield* accesses.told(id)).toEqual(["10.0.0.0/8", "127.0.0.0/8"])
        const none = InstanceId.make(uuid())
        yield* accesses.setTold(none, ["10.0.0.0/8"])
        expect([yield* accesses.told(none), yield* accesses.wanted(none)]).toEqual([[], null])
      })
    )
  })
