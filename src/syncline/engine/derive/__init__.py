"""What each channel should show, computed from what the ERP and the channels said."""
