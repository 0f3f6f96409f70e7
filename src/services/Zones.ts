/**
 * Availability zones: parts of a fleet that fail each by itself. A machine is in one, as it says itself; who orders may name
 * the one that an instance is to live in, whatever becomes of it.
 */
import { Schema } from "effect"

/** The zone of a machine that names none, as OpenStack calls it. */
export const defaultZone = "nova"

/** What a name of a zone has to be. */
export const zoneRule = "must be 1 to 63 letters, digits, '.', '_' or '-', with a letter or digit at both ends"

export const ZoneName = Schema.String.check(
  Schema.isPattern(/^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$/i, { message: zoneRule })
)

/** How many zones a refusal names. */
const maxNamed = 20

/** Why nothing can be placed there, given the zones that machines are in. */
export const refuseZone = (zones: ReadonlyArray<string>): string => {
  const known =
    zones.length === 0
      ? "there are none yet"
      : `they are in ${zones.slice(0, maxNamed).join(", ")}${zones.length > maxNamed ? " and others" : ""}`
  return `Validation error: instance['availability_zone'] must be a zone that machines for this datastore are in: ${known}`
}

/** How an instance is to stand to its replicas; with none it is kept for the day that it has some. */
export const Locality = Schema.Literals(["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]).annotate({
  message: "must be affinity, anti-affinity, soft-affinity or soft-anti-affinity"
})
export type Locality = typeof Locality.Type
