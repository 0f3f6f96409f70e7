import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import { catalogConformance } from "../conformance/catalog.ts"
import { stores } from "../support/postgres.ts"

catalogConformance("changes of the catalog in memory", MemoryStore.layer)
catalogConformance("changes of the catalog in PostgreSQL", stores)
