/**
 * What an administrator may ask of the server of an instance: to have it made anew over its data. Whatever its guest was
 * last seen to be, for that may be why somebody asks: what counts is that there is a database, and that nothing of it is
 * under way. The request is a command in the instance's mailbox; the actor does the rest.
 */
import { Clock, Context, Effect, Exit, Layer, Option } from "effect"
import { Catalog, findVersion } from "../services/Catalog.ts"
import type { Fabric } from "../services/Fabric.ts"
import {
  type InstanceNotActionable,
  InstanceRequests,
  InvalidRequest,
  notActionable
} from "../services/InstanceRequests.ts"
import type { InstanceNotFound, InstanceRecord } from "../services/Instances.ts"
import { makeWake } from "../services/Waking.ts"
import type { Command } from "./Instance.ts"
import { decide } from "./Lifecycle.ts"
import { Lifecycles, type StaleGeneration } from "./Lifecycles.ts"
import { nameable } from "./OperatorRequests.ts"
import { defaultDeadlines } from "./Transitions.ts"

/** How often a request is looked at anew because the instance has moved on meanwhile. */
const maxLooks = 5

const rebuild: Command = { _tag: "Rebuild" }

export type RebuildRefusal = InstanceNotFound | InstanceNotActionable | InvalidRequest

export class RebuildRequests extends Context.Service<
  RebuildRequests,
  {
    /**
     * The instance, where a rebuild would be accepted now. `image` is the id of the instance's own datastore version, or
     * that version's image: there is no image service, so a version is what an image is known by.
     */
    readonly check: (id: string, image: string) => Effect.Effect<InstanceRecord, RebuildRefusal>
    /** Asked for twice before it is taken, it is done once. */
    readonly request: (id: string, image: string, by: string) => Effect.Effect<void, RebuildRefusal>
  }
>()("coffer/actors/RebuildRequests") {
  static readonly layer: Layer.Layer<RebuildRequests, never, InstanceRequests | Catalog | Lifecycles | Fabric> =
    Layer.effect(
      RebuildRequests,
      Effect.gen(function* () {
        const instances = yield* InstanceRequests
        const lifecycles = yield* Lifecycles
        const { contents } = yield* Catalog
        const wake = yield* makeWake

        const checkImage = Effect.fnUntraced(function* ({ desired }: InstanceRecord, image: string) {
          const refuse = (message: string) => new InvalidRequest({ message })
          const version = findVersion(yield* contents, desired.datastoreVersion)?.version
          if (version === undefined)
            return yield* refuse(`Datastore version ${desired.datastoreVersion} is no longer offered.`)
          if (version.agent === "trove")
            return yield* refuse("Instances that Trove's agents operate cannot be rebuilt.")
          if (image.toLowerCase() === version.id.toLowerCase() || image === version.image) return
          return yield* refuse(
            `image_id must name the image that the instance has: ${version.id}, the id of its datastore version '${version.name}', or ${version.image}. Another version is an upgrade.`
          )
        })

        const refused = Effect.fnUntraced(function* (id: string) {
          return yield* notActionable(yield* instances.get("any", id), yield* Clock.currentTimeMillis)
        })

        /** The generation in which it can be asked for. */
        const open = Effect.fnUntraced(function* ({ desired }: InstanceRecord) {
          const seen = yield* Effect.exit(lifecycles.load(desired.id))
          if (Exit.isFailure(seen) || Option.isNone(seen.value)) return yield* refused(desired.id)
          const { generation, mail, state } = seen.value.value
          const moment = { now: yield* Clock.currentTimeMillis, fresh: "to-come", deadlines: defaultDeadlines }
          // What was asked for before comes first.
          const asked = mail.some(({ command }) => command._tag === "Rebuild")
          const then = mail.reduce((state, { command }) => decide(state, command, moment)?.state ?? state, state)
          if (!asked && decide(then, rebuild, moment) === null) return yield* refused(desired.id)
          return generation
        })

        const check = Effect.fnUntraced(function* (id: string, image: string) {
          const record = yield* instances.get("any", id)
          yield* checkImage(record, image)
          yield* open(record)
          return record
        })

        const put = Effect.fnUntraced(function* (
          record: InstanceRecord,
          by: string
        ): Effect.fn.Return<void, InstanceNotFound | InstanceNotActionable | StaleGeneration> {
          const { id } = record.desired
          const generation = yield* open(record)
          // Under the key of a restart: of what is done next, one is asked for in one generation.
          const key = `restart:${generation}`
          yield* lifecycles.request(id, {
            ...{ generation, key, command: rebuild },
            line: `asked for by the operator ${nameable(by)}: rebuild`
          })
          const posted = yield* lifecycles.posted(id, key)
          // Somebody may have come first in between.
          if (!Option.exists(posted, ({ _tag }) => _tag === "Rebuild")) return yield* refused(id)
        })

        const request = Effect.fn("RebuildRequests.request")(function* (id: string, image: string, by: string) {
          const record = yield* instances.get("any", id)
          yield* checkImage(record, image)
          yield* put(record, by).pipe(
            Effect.retry({ while: ({ _tag }) => _tag === "StaleGeneration", times: maxLooks }),
            Effect.catchTag("StaleGeneration", () => refused(id))
          )
          yield* wake(record.desired.id)
        })

        return RebuildRequests.of({ check, request })
      })
    )
}
