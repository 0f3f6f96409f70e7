/**
 * What changes of an instance come to, in words for whoever asks before making them. Of configuration groups that stands
 * beside them, in `configuration/ConfigurationPreviews.ts`.
 */
import { type CatalogContents, findFlavor, findVersion } from "./Catalog.ts"
import { changed } from "./configuration/Parameter.ts"
import { needRestart, parametersOf } from "./configuration/Parameters.ts"
import { flavorSettings } from "./configuration/ServerFile.ts"
import type { InstanceRecord } from "./Instances.ts"
import type { Change } from "./Previews.ts"
import type { ResizeTarget } from "./Resizes.ts"

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

/** Another flavor, or a larger volume. */
export const resizing = ({ desired }: InstanceRecord, target: ResizeTarget, catalog: CatalogContents): Change => {
  if (target._tag === "Volume")
    return {
      operation: "resize",
      restart: false,
      reason: `its volume grows to ${target.size} GB; a machine that cannot grow it meanwhile stops its database for a moment`
    }
  const version = findVersion(catalog, desired.datastoreVersion)?.version
  const flavor = findFlavor(catalog, target.flavor)?.name ?? target.flavor
  if (version === undefined) return { operation: "resize", restart: true, reason: `its flavor becomes ${flavor}` }
  const names = changed(flavorSettings(version.manager, desired.ram), flavorSettings(version.manager, target.ram))
  const waiting = needRestart(parametersOf(version), names)
  const reason =
    waiting.length === 0
      ? `its flavor becomes ${flavor}, while its clients are served`
      : `its flavor becomes ${flavor}, and its clients are cut off for it: ${waiting.join(", ")}`
  return { operation: "resize", restart: waiting.length > 0, reason }
}

/** Who may reach it. */
export const reached = ({ state }: InstanceRecord): Change =>
  state === "Stopped"
    ? { operation: null, restart: false, reason: "its database is stopped, and is started with that the next time" }
    : {
        operation: "configure",
        restart: false,
        reason: "who is no longer allowed is cut off, and all others are served meanwhile"
      }
