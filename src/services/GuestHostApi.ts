/**
 * What a guest host can be asked, on its own topic `guesthost.<name>`: to have a server, and to have it no more.
 * Everything is ensured, so that what was not answered in time is asked again.
 */
import { Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { ComputeError, ServerSpec } from "./Compute.ts"
import { call } from "./Contract.ts"
import { GuestLink } from "./GuestAccess.ts"

export const guestHostTopic = (name: string) => `guesthost.${name}`

/** Below the deadline of the step that waits for it, so that the step can say what was not answered. */
const patience = "110 seconds"

/** The order's number (`Orders.ts`). A taskmanager of a release without them sends none. */
const order = Schema.optionalKey(Schema.Int)

export const GuestHostApi = RpcGroup.make(
  /** The server exists and its agent runs. The link is a secret of the guest's. */
  call(
    "ensure",
    { spec: ServerSpec, link: Schema.NullOr(GuestLink), order },
    { error: ComputeError, timeout: patience }
  ),
  /** Nothing is left of the server. */
  call("destroy", { instance_id: Schema.String, order }, { error: ComputeError, timeout: patience }),
  /** Whether a server could listen there now. */
  call("is_free", { address: Schema.String, port: Schema.Int }, { success: Schema.Boolean, timeout: "15 seconds" })
)
