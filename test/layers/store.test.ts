import * as MemoryStore from "../../src/layers/memory/MemoryStore.ts"
import { storeConformance } from "../conformance/store.ts"
import { stores } from "../support/postgres.ts"

storeConformance("the store in memory", MemoryStore.layer)
storeConformance("the store in PostgreSQL", stores)
