"""Where blobs lie: one store a module, all behind `base.BlobStore`."""
