/** An audit as a document: what the API answers, and what the command prints as JSON. */
import type { AuditReport } from "../../services/Audit.ts"
import { preciseStamp } from "../Wire.ts"
import type { Audit } from "./AuditApi.ts"

export const auditView = ({ at, findings, looked, total, unseen }: AuditReport): typeof Audit.Type => ({
  audit: {
    at: preciseStamp(at),
    clean: total === 0 && unseen.length === 0,
    looked_at: looked,
    not_looked_at: unseen,
    findings: findings.map(({ holdsData, instance, since, ...finding }) => ({
      ...finding,
      holds_data: holdsData,
      instance_id: instance,
      since: since === null ? null : preciseStamp(since)
    })),
    total
  }
})
