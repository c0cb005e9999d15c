"""Adobe Commerce and Magento Open Source: the simulator."""
