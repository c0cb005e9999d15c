-- What one channel sold of a SKU, whether or not the ERP accounts for it.
CREATE INDEX demand_of_skus ON demand (channel, sku);
