/**
 * What the taskmanager is told, on the topic `taskmanager`. The command itself is a row that the sender has
 * written already; the message only carries the news, so losing it costs a moment and nothing else.
 */
import { Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { ServiceStatus } from "./ConductorApi.ts"
import { cast } from "./Contract.ts"

export const taskmanagerTopic = "taskmanager"

export const TaskmanagerApi = RpcGroup.make(
  /** The mailbox of this instance has a command. */
  cast("wake", { instance_id: Schema.String }),
  /** The guest of this instance was seen to change. */
  cast("observed", { instance_id: Schema.String, status: ServiceStatus, progress: Schema.NullOr(Schema.String) }),
  /** The guest of this instance has sent no heartbeat for too long. */
  cast("silent", { instance_id: Schema.String })
)
