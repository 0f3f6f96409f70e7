/**
 * The recorded exchanges, in the order in which they were made, as stories of one service: by their numbers, with what
 * was done between them and not recorded.
 */
import type { Duration, Schema } from "effect"

/** Something that was done, and not recorded. */
export interface Unrecorded {
  readonly tells: string
  readonly by: "tenant" | "administrator"
  readonly method: string
  /** Below the project. */
  readonly path: string
  readonly body?: Schema.Json
}

/** A recorded exchange by its number, what was not recorded, time that passes, or servers that cannot be removed for now. */
export type Step =
  | string
  | Unrecorded
  | { readonly passes: Duration.Input }
  | { readonly servers: "stay" | "can be removed" }

export interface Story {
  readonly title: string
  readonly steps: ReadonlyArray<Step>
}

/** The instance that most of the exchanges are about. */
const recorded = "263a4da0-dc2a-474d-8753-bdd5af8e4cff"

/** Ids in the order in which instances were created: a page is picked by id. */
export const idsOfInstances: ReadonlyArray<string> = [
  "2afe67ef-8296-46f4-8535-dd657d4cece0",
  recorded,
  "c14d4945-b743-4844-8c0f-3139ff408051"
]

const generousQuotas: Unrecorded = {
  tells: "the recorded project might hold almost anything",
  by: "administrator",
  method: "PUT",
  path: "/mgmt/quotas/aa4a814f964a4470bf8d456d9e67a352",
  body: { quotas: { instances: 100_000, volumes: 1_000_000, backups: 100_000 } }
}

const olderInstance: Unrecorded = {
  tells: "an instance that was there already",
  by: "tenant",
  method: "POST",
  path: "/instances",
  body: {
    instance: {
      name: "db-1",
      flavorRef: "2",
      volume: { size: 2 },
      datastore: { type: "mysql", version: "5.7.29" },
      access: { is_public: false }
    }
  }
}

const rootIsEnabled: Unrecorded = {
  tells: "root is enabled",
  by: "tenant",
  method: "POST",
  path: `/instances/${recorded}/root`
}

/** Long enough for an actor to take up what it was told, and too short for a database to start. */
const aMoment = { passes: "300 millis" } as const

/** Long enough for anything to come to its end. */
const aWhile = { passes: "20 seconds" } as const

export const stories: ReadonlyArray<Story> = [
  {
    title: "the versions, and who is let in",
    steps: [generousQuotas, "001", "002", "004", "005", "006", "008", "009", "010"]
  },
  {
    title: "what there is to order",
    steps: ["012", "013", "014", "016", "017", "018", "020", "021", "022", "024", "025", "026"]
  },
  {
    title: "an instance is created",
    steps: [olderInstance, aWhile, "028", "029", aMoment, "030", "032", aWhile, "038"]
  },
  {
    title: "instances are listed and looked for",
    steps: ["040", "041", "042", "044", "045", "046", "048", "049", "050"]
  },
  {
    title: "orders that are refused, and some that are not",
    steps: ["052", "053", "054", "056", "057", "058", "060", "061", "062", "064", "065", "066", "068", "069", aWhile]
  },
  {
    title: "databases, users, root",
    steps: ["070", "072", "073", "074", "076", "077", "078", rootIsEnabled, "080"]
  },
  {
    title: "configuration groups",
    steps: ["081", "082", "084", "085", "086", "088", "089", "090", aWhile, "092", aWhile, "093", "094"]
  },
  {
    title: "backups",
    steps: ["096", "097", "098", "100", "101", "102", "104", "105", "106", aWhile, "108"]
  },
  {
    title: "what is done to an instance",
    steps: ["109", "110", "112", aMoment, "113", aWhile, "114", "116", "117", "118"]
  },
  {
    title: "quotas, and what administrators see",
    steps: ["120", "121", "122", "124", "125"]
  },
  {
    title: "an instance is deleted",
    steps: [{ servers: "stay" }, "126", aMoment, "128", { servers: "can be removed" }, aWhile, "129", "130"]
  }
]
