/** How an instance looks to an administrator: the tenant's detail view, and what is behind it. */
import { Schema } from "effect"
import type { ManagedInstance } from "../../services/AllInstances.ts"
import type { Diagnostics } from "../../services/MachineFacts.ts"
import { apiStatusOf, type ShownState } from "../../services/Status.ts"
import { DetailView, detailView, twoDecimals, type Usage, type Viewer } from "../instances/InstanceViews.ts"
import { Stamp, stamp } from "../Wire.ts"

const managed = {
  /** Where it runs; null where nothing is placed. */
  server: Schema.NullOr(
    Schema.Struct({
      id: Schema.String,
      name: Schema.String,
      status: Schema.String,
      tenant_id: Schema.String,
      host: Schema.String
    })
  ),
  /** What its guest was last seen to be, whatever is under way. */
  service_status: Schema.String,
  deleted: Schema.Boolean,
  deleted_at: Schema.NullOr(Stamp),
  task_description: Schema.String
}

export const ManagedView = Schema.Struct({ ...DetailView.fields, ...managed })

export const ManagedDetail = Schema.Struct({
  ...ManagedView.fields,
  volume: Schema.Struct({
    ...ManagedView.fields.volume.fields,
    /** GB that it can hold. */
    total: Schema.optionalKey(Schema.Number)
  }),
  /** Not there where root was never enabled. */
  root_enabled: Schema.optionalKey(Stamp),
  root_enabled_by: Schema.optionalKey(Schema.String),
  guest_status: Schema.Struct({ state_description: Schema.String })
})

const kilobytes = Schema.Int.annotate({ description: "kB" })

/** The database's main process, as the kernel tells of it. */
export const DiagnosticsView = Schema.Struct({
  /** Of the database server. */
  version: Schema.String,
  threads: Schema.Int,
  fdSize: Schema.Int.annotate({ description: "Slots for open files" }),
  vmSize: kilobytes,
  vmPeak: kilobytes,
  vmRss: kilobytes,
  vmHwm: kilobytes
})

export const diagnosticsView = (told: Diagnostics): typeof DiagnosticsView.Type => ({
  version: told.version,
  threads: told.threads,
  fdSize: told.fd_size,
  vmSize: told.vm_size,
  vmPeak: told.vm_peak,
  vmRss: told.vm_rss,
  vmHwm: told.vm_hwm
})

/** Trove's words for what is under way. */
const tasks: Record<ShownState, string> = {
  New: "The instance is building.",
  Building: "The instance is building.",
  Active: "No tasks for the instance.",
  Restarting: "Rebooting the instance.",
  Configuring: "Instance requires a restart.",
  Resizing: "Resizing the instance.",
  RestartRequired: "Instance requires a restart.",
  Upgrading: "Upgrading the instance.",
  Stopping: "Stopping the database of the instance.",
  Stopped: "No tasks for the instance.",
  Starting: "Rebooting the instance.",
  Rebuilding: "The instance is building.",
  Deleting: "Deleting the instance.",
  Deleted: "No tasks for the instance.",
  Failed: "No tasks for the instance.",
  Unknown: "The instance is in the hands of a newer release."
}

/** As the compute service would tell it of a machine of its own. */
const servers: Record<ShownState, string> = {
  New: "BUILD",
  Building: "BUILD",
  Active: "ACTIVE",
  Restarting: "ACTIVE",
  Configuring: "ACTIVE",
  Resizing: "ACTIVE",
  RestartRequired: "ACTIVE",
  Upgrading: "ACTIVE",
  Stopping: "ACTIVE",
  Stopped: "ACTIVE",
  Starting: "ACTIVE",
  Rebuilding: "BUILD",
  Deleting: "ACTIVE",
  Deleted: "SHUTDOWN",
  Failed: "ERROR",
  Unknown: "UNKNOWN"
}

export const managedView = (
  { host, record }: ManagedInstance,
  viewer: Viewer,
  usage?: Usage
): typeof ManagedView.Type => {
  const { desired, observed, state, stateSince } = record
  const isDeleted = state === "Deleted"
  return {
    ...detailView(record, viewer, usage),
    server:
      host === null
        ? null
        : { id: desired.id, name: desired.name, status: servers[state], tenant_id: desired.project, host },
    service_status: apiStatusOf(observed),
    deleted: isDeleted,
    deleted_at: isDeleted ? stamp(stateSince) : null,
    task_description: tasks[state]
  }
}

export const managedDetail = (instance: ManagedInstance, viewer: Viewer, usage?: Usage): typeof ManagedDetail.Type => {
  const { record, root } = instance
  const view = managedView(instance, viewer, usage)
  return {
    ...view,
    volume: { ...view.volume, ...(usage === undefined ? {} : { total: twoDecimals(usage.total) }) },
    ...(root?.enabled ? { root_enabled: stamp(root.at), root_enabled_by: root.by } : {}),
    guest_status: { state_description: record.observed?.status ?? "new" }
  }
}
