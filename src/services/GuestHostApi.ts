/**
 * What a guest host can be asked, on its own topic `guesthost.<name>`: to have a server, to have it no more, and what
 * it holds. Everything is ensured, so that what was not answered in time is asked again.
 */
import { Duration, Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { ServerPart } from "./Audit.ts"
import { ComputeError, ServerSpec } from "./Compute.ts"
import { call } from "./Contract.ts"
import { GuestLink } from "./GuestAccess.ts"
import { InstanceId, Millis } from "./Ids.ts"

export const guestHostTopic = (name: string) => `guesthost.${name}`

/** Below the deadline of the step that waits for it, so that the step can say what was not answered. */
export const serverPatience = Duration.seconds(110)

/** A host that works on it gives a sign of life in half of this. One that was killed meanwhile never answers. */
const monitor = Duration.seconds(10)

/** The order's number (`Orders.ts`). A taskmanager of a release without them sends none. */
const order = Schema.optionalKey(Schema.Int)
/** How many instances are told of at a time. */
export const inventoryPage = 200

const Inventory = Schema.Struct({
  /** What was looked for. */
  covers: Schema.Array(ServerPart),
  servers: Schema.Array(
    Schema.Struct({ instance: InstanceId, parts: Schema.Array(ServerPart), since: Schema.NullOr(Millis) })
  ).check(Schema.isMaxLength(inventoryPage)),
  /** Whether there are others after them. */
  more: Schema.Boolean
})

export const GuestHostApi = RpcGroup.make(
  /** The server exists and its agent runs. The link is a secret of the guest's. */
  call(
    "ensure",
    { spec: ServerSpec, link: Schema.NullOr(GuestLink), order },
    { error: ComputeError, timeout: serverPatience, monitor }
  ),
  /** Nothing is left of the server. */
  call("destroy", { instance_id: Schema.String, order }, { error: ComputeError, timeout: serverPatience, monitor }),
  /** Whether a server could listen there now. */
  call("is_free", { address: Schema.String, port: Schema.Int }, { success: Schema.Boolean, timeout: "15 seconds" }),
  /** What it holds of any instance whose id is after `after`, in the order of ids, at most `limit` of them. */
  call(
    "inventory",
    {
      after: Schema.NullOr(InstanceId),
      limit: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: inventoryPage }))
    },
    { success: Inventory, error: ComputeError, timeout: "15 seconds" }
  )
)
