/** What one of the taskmanagers is asked, on the topic `taskmanager_audit`: to look, and to put right what it finds. */
import { Schema } from "effect"
import { RpcGroup } from "effect/rpc"
import { AuditReport } from "./Audit.ts"
import { call } from "./Contract.ts"

export const auditTopic = "taskmanager_audit"

export const AuditApi = RpcGroup.make(
  /** A whole audit, which takes as long as the slowest machine, and a second look. */
  call(
    "audit",
    { fix: Schema.Boolean, remove_data: Schema.optionalKey(Schema.Boolean) },
    { success: AuditReport, timeout: "5 minutes" }
  )
)
