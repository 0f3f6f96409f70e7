/** The smallest question that a guest is asked, as its contract has it. */
import { Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { call } from "../../src/services/Contract.ts"
import { guestTopic } from "../../src/services/GuestApi.ts"

export const pingTopic = guestTopic("c0ffee00-0000-4000-8000-00000000be5c")

export const PingApi = RpcGroup.make(call("rpc_ping", {}, { success: Schema.Boolean, timeout: "15 seconds" }))
