/**
 * What an administrator may ask of the server of an instance: to have it made anew over its data. Whatever its guest was
 * last seen to be, for that may be why somebody asks: what counts is that there is a database, and that nothing of it is
 * under way. The request is a command in the instance's mailbox; the actor does the rest.
 */
import { Clock, Context, Effect, Layer, Option } from "effect"
import { Catalog, findVersion } from "../services/Catalog.ts"
import type { Fabric } from "../services/Fabric.ts"
import type { InstanceId } from "../services/Ids.ts"
import {
  type InstanceNotActionable,
  InstanceRequests,
  InvalidRequest,
  notActionable
} from "../services/InstanceRequests.ts"
import type { InstanceNotFound, InstanceRecord } from "../services/Instances.ts"
import { nextKind } from "../services/MailKeys.ts"
import { makeWake } from "../services/Waking.ts"
import type { Command } from "./Instance.ts"
import { decide } from "./Lifecycle.ts"
import { Lifecycles, Unreadable } from "./Lifecycles.ts"
import { nameable } from "./OperatorRequests.ts"
import { defaultDeadlines } from "./Transitions.ts"

/** How often a request is looked at anew because the instance has moved on meanwhile. */
const maxLooks = 5

const rebuild: Command = { _tag: "Rebuild" }

/** The generation in which the instance would hear it, after what was asked for before; null where it would not. */
const hearsIn = Effect.fnUntraced(function* (id: InstanceId) {
  // In a state that cannot be read nothing is heard; a store that is away is another matter.
  const seen = yield* Effect.catchDefect((yield* Lifecycles).load(id), (defect) =>
    defect instanceof Unreadable ? Effect.succeedNone : Effect.die(defect)
  )
  if (Option.isNone(seen)) return null
  const { generation, mail, state } = seen.value
  const moment = { now: yield* Clock.currentTimeMillis, fresh: "to-come", deadlines: defaultDeadlines }
  const then = mail.reduce((state, { command }) => decide(state, command, moment)?.state ?? state, state)
  return decide(then, rebuild, moment) === null ? null : generation
})

/** Writes the command, with who asked, where the instance hears it now; false, and nothing written, anywhere else. */
export const requestRebuild = (id: InstanceId, by: string) =>
  Effect.gen(function* () {
    const lifecycles = yield* Lifecycles
    const generation = yield* hearsIn(id)
    if (generation === null) return false
    // Under the key of a restart: of what is done next, one is asked for in one generation.
    const key = `${nextKind}:${generation}`
    const line = `asked for by the operator ${nameable(by)}: rebuild`
    yield* lifecycles.request(id, { generation, key, command: rebuild, line })
    // Somebody may have come first in between.
    return Option.exists(yield* lifecycles.posted(id, key), ({ _tag }) => _tag === "Rebuild")
  }).pipe(
    Effect.retry({ times: maxLooks }),
    Effect.catchTag("StaleGeneration", () => Effect.succeed(false))
  )

export type RebuildRefusal = InstanceNotFound | InstanceNotActionable | InvalidRequest

export class RebuildRequests extends Context.Service<
  RebuildRequests,
  {
    /**
     * The instance, where a rebuild would be accepted now. `image` is the id of the instance's own datastore version, or
     * that version's image: there is no image service, so a version is what an image is known by.
     */
    readonly check: (id: string, image: string) => Effect.Effect<InstanceRecord, RebuildRefusal>
    readonly request: (id: string, image: string, by: string) => Effect.Effect<void, RebuildRefusal>
  }
>()("coffer/actors/RebuildRequests") {
  static readonly layer: Layer.Layer<RebuildRequests, never, InstanceRequests | Catalog | Lifecycles | Fabric> =
    Layer.effect(
      RebuildRequests,
      Effect.gen(function* () {
        const instances = yield* InstanceRequests
        const ofLives = Effect.provideService(Lifecycles, yield* Lifecycles)
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

        const look = Effect.fnUntraced(function* (id: string, image: string) {
          const record = yield* instances.get("any", id)
          yield* checkImage(record, image)
          return record
        })

        const check = Effect.fnUntraced(function* (id: string, image: string) {
          const record = yield* look(id, image)
          if ((yield* ofLives(hearsIn(record.desired.id))) === null) return yield* refused(id)
          return record
        })

        const request = Effect.fn("RebuildRequests.request")(function* (id: string, image: string, by: string) {
          const { desired } = yield* look(id, image)
          if (!(yield* ofLives(requestRebuild(desired.id, by)))) return yield* refused(id)
          yield* wake(desired.id)
        })

        return RebuildRequests.of({ check, request })
      })
    )
}
