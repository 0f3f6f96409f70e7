/**
 * What changes of an instance come to, in words for whoever asks before making them. Of configuration groups that stands
 * beside them, in `configuration/ConfigurationPreviews.ts`.
 */
import { networksOf } from "./AllowedNetworks.ts"
import { type CatalogContents, type DatastoreVersion, findFlavor, findVersion } from "./Catalog.ts"
import type { Applied } from "./configuration/Configurations.ts"
import type { Values } from "./configuration/Parameter.ts"
import { needRestart, parametersOf } from "./configuration/Parameters.ts"
import { flavorSettings } from "./configuration/ServerFile.ts"
import type { Access, InstanceRecord } from "./Instances.ts"
import type { Change } from "./Previews.ts"
import type { ResizeTarget } from "./Resizes.ts"
import { isServing, type ShownState } from "./Status.ts"

/** A restart, a stop or a start of the database. */
export const switched = (wanted: "restart" | "stop" | "start", { state }: InstanceRecord): Change => {
  if (wanted === "stop")
    return {
      operation: "stop",
      restart: false,
      reason: "its clients are cut off, and its database is down until a start"
    }
  if (state === "Stopped") return { operation: "start", restart: false, reason: "its database is brought up again" }
  return { operation: "restart", restart: true, reason: "its clients are cut off while its database comes up again" }
}

/** Another version of the datastore. */
export const upgraded: Change = {
  operation: "upgrade",
  restart: true,
  reason:
    "its clients are cut off while the new version is tried on a copy of its data; the one before serves on where that fails"
}

/** The server is made anew. */
export const rebuilt = ({ state }: InstanceRecord): Change => ({
  operation: "rebuild",
  restart: true,
  reason:
    state === "Stopped"
      ? "its server is made anew over its data, and started"
      : "its clients are cut off while its server is made anew over its data"
})

/** What of a flavor's settings the server waits for a restart to have, as its guest would find it. */
const waitingFor = (version: DatastoreVersion, { running, told }: Applied, before: number, after: number) => {
  // What the configuration group has is over what the flavor gives, and stays.
  const given = Object.entries(flavorSettings(version.manager, after)).filter(([name]) => !(name in told))
  const now: Values = { ...flavorSettings(version.manager, before), ...running }
  return needRestart(
    parametersOf(version),
    given.flatMap(([name, value]) => (now[name] === value ? [] : [name]))
  )
}

/** Another flavor, or a larger volume. `applied`: what of its configuration group has reached it. */
export const resizing = (
  { desired, observed }: InstanceRecord,
  target: ResizeTarget,
  catalog: CatalogContents,
  applied: Applied
): Change => {
  const version = findVersion(catalog, desired.datastoreVersion)?.version
  const isFlavor = target._tag === "Flavor"
  const becomes = isFlavor
    ? `its flavor becomes ${findFlavor(catalog, target.flavor)?.name ?? target.flavor}`
    : `its volume grows to ${target.size} GB`
  const told = (restart: boolean, rest: string): Change => ({
    operation: "resize",
    isAlike: (steps) => steps.has("apply the flavor") === isFlavor && steps.has("restart the database") === restart,
    restart,
    reason: `${becomes}${rest}`
  })
  const isStoppedForIt = "; a machine that cannot grow it meanwhile stops its database for a moment"
  if (version?.agent === "trove")
    return isFlavor ? told(true, ", and its clients are cut off for it") : told(false, isStoppedForIt)
  if (!isServing(observed)) return told(true, ", and its database, which is down, is started again")
  const waiting =
    version === undefined ? [] : waitingFor(version, applied, desired.ram, isFlavor ? target.ram : desired.ram)
  if (waiting.length > 0) return told(true, `, and its clients are cut off for it: ${waiting.join(", ")}`)
  return told(false, isFlavor ? ", while its clients are served" : isStoppedForIt)
}

/** Why nothing is done at once of what is to be brought to an instance in this state; null where it is, or soon. */
export const writtenDown = (state: ShownState): string | null => {
  switch (state) {
    case "New":
      return "it is not built yet, and is built with that"
    case "Stopping":
    case "Stopped":
      return "its database is stopped, and is started with that the next time"
    case "Failed":
      return "it has failed, and has that when it is in service again"
    case "Deleting":
    case "Deleted":
      return "it is being deleted"
    default:
      return null
  }
}

/** What is under way comes first. */
export const afterOthers = (state: ShownState) =>
  state === "Active" || state === "RestartRequired" ? "" : ", when what is under way has ended"

/** Who may reach it. */
export const reached = ({ desired, state }: InstanceRecord, access: Access): Change => {
  const kept = writtenDown(state)
  if (kept !== null) return { operation: null, restart: false, reason: kept }
  const [before, after] = [networksOf(desired.access), networksOf(access)]
  const isSame = before.join() === after.join()
  const told = (reason: string): Change => ({
    operation: "configure",
    restart: false,
    reason: `${reason}${afterOthers(state)}`,
    isAlike: (steps) => steps.has("restrict who reaches it") !== isSame
  })
  if (isSame) return told("the same clients may reach it as before")
  if (after.length === 0) return told("everybody who can reach its address may connect")
  return told("who is no longer allowed is cut off, and all others are served meanwhile")
}
