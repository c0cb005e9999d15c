page 50102 "Syncline Shipment Lines"
{
    PageType = API;
    APIPublisher = 'syncline';
    APIGroup = 'connect';
    APIVersion = 'v1.0';
    EntityName = 'shipmentLine';
    EntitySetName = 'shipmentLines';
    EntityCaption = 'Shipment Line';
    EntitySetCaption = 'Shipment Lines';
    SourceTable = "Sales Shipment Line";
    SourceTableView = where(Type = const(Item));
    ODataKeyFields = SystemId;
    DelayedInsert = true;
    InsertAllowed = false;
    ModifyAllowed = false;
    DeleteAllowed = false;
    Editable = false;
    Extensible = false;

    layout
    {
        area(Content)
        {
            repeater(Group)
            {
                field(id; Rec.SystemId) { }
                field(documentNumber; Rec."Document No.") { }
                field(lineNumber; Rec."Line No.") { }
                field(orderLineNumber; Rec."Order Line No.") { }
                field(itemNumber; Rec."No.") { }
                field(variantCode; Rec."Variant Code") { }
                field(locationCode; Rec."Location Code") { }
                field(quantityBase; Rec."Quantity (Base)") { }
            }
        }
    }
}
