"""The options of option fields, in their order, as they stand on the wire: what is no letter or digit is ``_xHHHH_``.

Source: the enums of the base application that stand behind the fields, some of which have more than is used here.
"""

from __future__ import annotations

DOCUMENT_STATUS = ("Draft", "In_x0020_Review", "Open")
INVOICE_STATUS = ("_x0020_", "Draft", "In_x0020_Review", "Open", "Paid", "Canceled", "Corrective")
LINE_TYPES = (
    "Comment",
    "Account",
    "Item",
    "Resource",
    "Fixed_x0020_Asset",
    "Charge",
    "Allocation_x0020_Account",
)
BLOCKED = ("_x0020_", "Ship", "Invoice", "All")


ENTRY_TYPES = (
    "Purchase", "Sale", "Positive_x0020_Adjmt_x002E_", "Negative_x0020_Adjmt_x002E_", "Transfer", "Consumption", "Output",
    "_x0020_", "Assembly_x0020_Consumption", "Assembly_x0020_Output",
)  # fmt: skip
LEDGER_DOCUMENTS = (
    "_x0020_", "Payment", "Invoice", "Credit_x0020_Memo", "Finance_x0020_Charge_x0020_Memo", "Reminder", "Refund",
)  # fmt: skip
ENTRY_DOCUMENTS = (
    "_x0020_", "Sales_x0020_Shipment", "Sales_x0020_Invoice", "Sales_x0020_Return_x0020_Receipt",
    "Sales_x0020_Credit_x0020_Memo", "Purchase_x0020_Receipt", "Purchase_x0020_Invoice",
    "Purchase_x0020_Return_x0020_Shipment", "Purchase_x0020_Credit_x0020_Memo", "Transfer_x0020_Shipment",
    "Transfer_x0020_Receipt", "Service_x0020_Shipment", "Service_x0020_Invoice", "Service_x0020_Credit_x0020_Memo",
    "Posted_x0020_Assembly",
)  # fmt: skip
SHIPPED_TYPES = (
    "_x0020_", "G_x002F_L_x0020_Account", "Item", "Resource", "Fixed_x0020_Asset", "Charge_x0020__x0028_Item_x0029_",
    "Allocation_x0020_Account",
)  # fmt: skip
