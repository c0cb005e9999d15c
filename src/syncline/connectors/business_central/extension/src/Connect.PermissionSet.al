permissionset 50100 "SYNCLINE CONNECT"
{
    Caption = 'Syncline Connect: read the pages of this extension';
    Assignable = true;
    Permissions = tabledata "Syncline Stock Level" = R,
                  tabledata "Syncline Change Mark" = R,
                  tabledata "Item Ledger Entry" = R,
                  tabledata "Sales Line" = R,
                  tabledata "Sales Shipment Header" = R,
                  tabledata "Sales Shipment Line" = R,
                  tabledata "Price List Line" = R,
                  tabledata "Item Translation" = R,
                  tabledata "Extended Text Line" = R,
                  tabledata "Item Attribute" = R,
                  tabledata "Item Attribute Value" = R,
                  tabledata "Item Attribute Value Mapping" = R,
                  page "Syncline Stock Levels" = X,
                  page "Syncline Shipments" = X,
                  page "Syncline Shipment Lines" = X,
                  page "Syncline Price List Lines" = X,
                  page "Syncline Item Translations" = X,
                  page "Syncline Item Texts" = X,
                  page "Syncline Item Attributes" = X,
                  page "Syncline Change Marks" = X;
}
