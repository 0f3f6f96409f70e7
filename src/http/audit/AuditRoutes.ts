/** Handlers of the routes of audits: one of the taskmanagers does the work. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AuditApi, auditTopic } from "../../services/AuditApi.ts"
import { Fabric } from "../../services/Fabric.ts"
import { Api } from "../Api.ts"
import { forbidden, unaudited } from "../Faults.ts"
import { CurrentCaller } from "../Gate.ts"
import { auditView } from "./AuditView.ts"

export const AuditRoutes = HttpApiBuilder.group(
  Api,
  "audit",
  Effect.fnUntraced(function* (handlers) {
    const taskmanager = (yield* Fabric).client(auditTopic, AuditApi)

    const audit = Effect.fnUntraced(function* (request: { readonly fix: boolean; readonly remove_data?: boolean }) {
      const caller = yield* CurrentCaller
      if (!caller.isAdmin) return yield* Effect.fail(forbidden("Audits are for administrators."))
      return auditView(yield* Effect.mapError(taskmanager.audit(request), unaudited))
    })

    return handlers.handleAll({ look: () => audit({ fix: false }), fix: ({ payload }) => audit(payload.audit) })
  })
)
