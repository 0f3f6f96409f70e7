/**
 * What guests report, on the topic `trove-conductor`: all casts, all about the reporting guest itself. Methods,
 * arguments and words are Trove's, so that its agents and ours are heard alike; what is an extension says so.
 *
 * Guests are not trusted: every text and number has its bound. Text that is only told on is cut; what does not
 * fit otherwise is refused.
 */
import { Schema, SchemaTransformation } from "effect"
import { RpcGroup } from "effect/rpc"
import { cast } from "./Contract.ts"
import { ZoneName } from "./Zones.ts"

export const conductorTopic = "trove-conductor"

/** The service statuses that a guest can report, in Trove's words. */
export const ServiceStatus = Schema.Literals([
  "new",
  "building",
  "running",
  "healthy",
  "instance ready",
  "restart required",
  "restarting",
  "upgrading",
  "promoting replica",
  "ejecting replica source",
  "transferring guest logs",
  "blocked",
  "paused",
  "shutdown",
  "crashed",
  "deleted",
  "failed to spawn",
  "guestagent error",
  "unknown"
])
export type ServiceStatus = typeof ServiceStatus.Type

/** The longest text that is heard of a guest, in characters. */
export const maxReportLength = 2000

/** How many lines of a traceback are heard. */
const maxTraceLines = 100

/** On one line, well-formed, and no longer than is heard: what PostgreSQL can keep and no terminal chokes on. */
export const reportable = (text: string): string =>
  text
    .slice(0, 2 * maxReportLength)
    .toWellFormed()
    .replace(/\p{Cc}+/gu, " ")
    .slice(0, maxReportLength)
    // The cut may have gone through a pair.
    .toWellFormed()

/** Text of any length and kind; what is heard of it is reportable. */
const ReportText = Schema.String.pipe(
  Schema.decodeTo(Schema.String, SchemaTransformation.transform({ decode: reportable, encode: (text) => text }))
)

/** The lines of a traceback, the first of them. */
const Trace = Schema.Array(ReportText).pipe(
  Schema.decodeTo(
    Schema.Array(Schema.String),
    SchemaTransformation.transform<ReadonlyArray<string>, ReadonlyArray<string>>({
      decode: (lines) => lines.slice(0, maxTraceLines),
      encode: (lines) => lines
    })
  )
)

/** Absent and null say the same to Trove's agents. */
const told = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

/** Seconds since the epoch, up to the year 2100, by the guest's clock. */
const Sent = Schema.Number.check(Schema.isBetween({ minimum: 0, maximum: 4_102_444_800 }))

const InstanceId = Schema.String.check(Schema.isMaxLength(36))

/** A word of somebody else's: an id, a kind, a class of Python's. */
const Word = Schema.String.check(Schema.isMaxLength(255), Schema.isPattern(/^[\w.:-]+$/))

export const BackupId = Schema.String.check(Schema.isMaxLength(36), Schema.isPattern(/^[\w-]+$/))
export type BackupId = typeof BackupId.Type

export const BackupState = Schema.Literals([
  "NEW",
  "BUILDING",
  "SAVING",
  "COMPLETED",
  "FAILED",
  "DELETE_FAILED",
  "RESTORED"
])
export type BackupState = typeof BackupState.Type

const backupReport = {
  state: told(BackupState),
  /** GB */
  size: told(Schema.Finite),
  backup_type: told(Word),
  checksum: told(ReportText),
  location: told(ReportText),
  note: told(ReportText),
  success: told(Schema.Boolean)
}

/** What a guest tells of one backup, a part of it at a time. */
export const BackupReport = Schema.Struct(backupReport)
export type BackupReport = typeof BackupReport.Type

/** What a notification is about. Of what Trove's hold besides nothing is read. */
const Notification = Schema.Struct({
  /** "trove.common.notification.DBaaSInstanceCreate" */
  notification_classname: told(Word),
  instance_id: told(InstanceId),
  /** An extension: orders the notifications of one guest. Trove's conductor takes it for a trait like any other. */
  sent: told(Sent),
  // Trove's conductor refuses a notification without these.
  request_id: told(ReportText),
  server_type: told(ReportText),
  client_ip: told(ReportText),
  server_ip: told(ReportText),
  tenant_id: told(ReportText)
})

/** A name that fits a log, a path and a topic. */
export const HostName = Schema.String.check(
  Schema.isMaxLength(63),
  Schema.isPattern(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i)
)

/** An IPv4 network, "10.9.0.0/16"; whether instances can live in it is not judged here. */
const Network = Schema.String.check(Schema.isMaxLength(18), Schema.isPattern(/^[\d./]+$/))

export const ConductorApi = RpcGroup.make(
  /** The guest is alive, and so is its database, or not. Without `sent` it is taken as the newest. */
  cast("heartbeat", {
    instance_id: InstanceId,
    payload: Schema.Struct({
      service_status: ServiceStatus,
      /** An extension: what the guest is doing just now (pulling an image …), for the history. */
      progress: told(ReportText)
    }),
    sent: told(Sent)
  }),
  /** How far a backup has come. */
  cast("update_backup", { instance_id: InstanceId, backup_id: BackupId, sent: told(Sent), ...backupReport }),
  /** Root was enabled in the database. */
  cast("report_root", { instance_id: InstanceId, user: told(ReportText) }),
  /** What the guest was told to do is done. */
  cast("notify_end", { serialized_notification: Notification, notification_args: told(Schema.Struct({})) }),
  /**
   * What the guest was told to do failed; `message` is fit for a tenant, `exception` for an operator. Trove's
   * conductor wants a notification in the context as well, and our guests fail at nothing but their creation.
   */
  cast(
    "notify_exc_info",
    { serialized_notification: Notification, message: ReportText, exception: told(Trace) },
    { notification: "DBaaSInstanceCreate" }
  ),
  /** An extension, of guest hosts: this host is alive, and can hold so much. */
  cast("host_report", {
    name: HostName,
    /** Whether it can keep clients out of its databases; releases before did not tell. */
    guards: told(Schema.Boolean),
    addresses: Network,
    memory_mb: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 31 - 1 })),
    /** The availability zone that it is in; the default one unless told. */
    zone: told(ZoneName),
    sent: Sent
  })
)
