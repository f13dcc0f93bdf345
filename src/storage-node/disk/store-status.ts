/**
 * Counters of a store. `usedBytes` is the one number for used space: volumes and index as they lie on disk.
 */
export interface StoreStatus {
  fragments: number
  liveBytes: number
  usedBytes: number
  quotaBytes: number
  readOnly: boolean
  /** Fragments that are damaged: never served, and there to be put again. */
  damaged: number
}

/** How a store is, for the person who runs it. */
export interface StoreHealth extends StoreStatus {
  /**
   * When the finished column that waits for longest was last read from the disk, or finished, in ms; null
   * without one.
   */
  unreadSinceMs: number | null
  /** Finished columns that no header has shown to be anchored yet. */
  unanchored: number
  /** Volumes that the index knows and the folder has not. */
  lostVolumes: number
}
