page 50100 "Syncline Stock Levels"
{
    PageType = API;
    APIPublisher = 'syncline';
    APIGroup = 'connect';
    APIVersion = 'v1.0';
    EntityName = 'stockLevel';
    EntitySetName = 'stockLevels';
    EntityCaption = 'Stock Level';
    EntitySetCaption = 'Stock Levels';
    SourceTable = "Syncline Stock Level";
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
                field(entryNumber; Rec."Entry No.") { }
                field(itemId; Rec."Item Id") { }
                field(itemNumber; Rec."Item No.") { }
                field(variantCode; Rec."Variant Code") { }
                field(locationCode; Rec."Location Code") { }
                field(inventory; Rec.Inventory) { }
                field(quantityOnSalesOrder; Rec."Qty. on Sales Order") { }
                field(rowVersion; Rec.SystemRowVersion) { }
                field(asOf; AsOf) { }
                field(lastModifiedDateTime; Rec.SystemModifiedAt) { }
            }
        }
    }

    /// Before the rows are read, so that what they state is never older than this.
    trigger OnOpenPage()
    begin
        AsOf := CurrentDateTime();
    end;

    var
        AsOf: DateTime;
}
