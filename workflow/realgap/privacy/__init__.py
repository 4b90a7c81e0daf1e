"""What may leave a study of images that must not be shown: a mechanism with a guarantee, its ledger, and audits."""
