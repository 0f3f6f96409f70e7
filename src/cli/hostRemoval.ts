/** Takes a machine out, with what lives there or only if nothing does, and says exactly what that means. */
import { Effect } from "effect"
import { GuestHostDirectory, type HostInhabited, type Residents } from "../services/GuestHostDirectory.ts"

const count = (n: number) => (n === 1 ? "1 instance lives" : `${n} instances live`)

export const refusal = ({ host, instances }: HostInhabited): string =>
  `${count(instances)} on ${host}, which stays. Delete them first; or, if the machine is gone for good, give them up with --lost.`

/** While its login was taken away, the machine was still let in, and took somebody. */
const latecomers = ({ host, instances }: HostInhabited): string =>
  `${host} is let in no more, but took others at the last moment: ${count(instances)} there. Delete them, or give them up with --lost.`

/** What `--lost` does, for its help. */
export const lostMeans =
  "The machine is gone for good: give up the databases that live there. Their places are forgotten, so that deleting them waits for the machine no more, and removes nothing on it. Whatever is left on the machine is nobody's: wipe it before it runs again"

/** `lost`: how many instances were given up. */
export const renderRemoval = (host: string, lost: number, hasOwnLogin: boolean): string => {
  const login = hasOwnLogin
    ? `${host} is let in no more, and gets no instances.`
    : `${host} gets no instances. It has no login of its own that could be taken away: if its agent runs still, it reports again.`
  if (lost === 0) return login
  const [who, they, them] = lost === 1 ? ["1 instance", "has", "it"] : [`${lost} instances`, "have", "them"]
  return `${login}
${who} lived there and ${they} no place any more. Delete ${them}: that waits for ${host} no more, and removes nothing on it.
Whatever is left on the machine (databases that may run still, their data) is nobody's: wipe it before it runs again.`
}

/**
 * The directory first, for it refuses; and once more when nobody is let in, for until then a report may have come.
 * Gives how many instances were given up.
 */
export const removeHost = Effect.fnUntraced(function* <E, R>(
  host: string,
  residents: Residents,
  revoke: Effect.Effect<void, E, R>
) {
  const directory = yield* GuestHostDirectory
  const lost = yield* Effect.mapError(directory.remove(host, residents), (error) => ({
    _tag: "HostStays" as const,
    message: refusal(error)
  }))
  yield* revoke
  const late = yield* Effect.mapError(directory.remove(host, residents), (error) => ({
    _tag: "HostStays" as const,
    message: latecomers(error)
  }))
  return lost + late
})
