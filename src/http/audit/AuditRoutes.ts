/** Handlers of the routes of audits: one of the taskmanagers does the work. */
import { Effect } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import { AuditApi, auditTopic } from "../../services/AuditApi.ts"
import { Fabric } from "../../services/Fabric.ts"
import { Api } from "../Api.ts"
import { unaudited } from "../Faults.ts"
import { auditView } from "./AuditView.ts"

export const AuditRoutes = HttpApiBuilder.group(
  Api,
  "audit",
  Effect.fnUntraced(function* (handlers) {
    const taskmanager = (yield* Fabric).client(auditTopic, AuditApi)

    const audit = (request: { readonly fix: boolean; readonly remove_data?: boolean }) =>
      taskmanager.audit(request).pipe(Effect.mapBoth({ onFailure: unaudited, onSuccess: auditView }))

    return handlers.handleAll({ look: () => audit({ fix: false }), fix: ({ payload }) => audit(payload.audit) })
  })
)
