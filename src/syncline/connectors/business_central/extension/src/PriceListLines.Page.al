page 50103 "Syncline Price List Lines"
{
    PageType = API;
    APIPublisher = 'syncline';
    APIGroup = 'connect';
    APIVersion = 'v1.0';
    EntityName = 'priceListLine';
    EntitySetName = 'priceListLines';
    EntityCaption = 'Price List Line';
    EntitySetCaption = 'Price List Lines';
    SourceTable = "Price List Line";
    SourceTableView = where("Price Type" = const(Sale), "Asset Type" = const(Item));
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
                field(priceListCode; Rec."Price List Code") { }
                field(lineNumber; Rec."Line No.") { }
                field(sourceType; Rec."Source Type") { }
                field(sourceNumber; Rec."Source No.") { }
                field(itemNumber; Rec."Asset No.") { }
                field(variantCode; Rec."Variant Code") { }
                field(unitOfMeasureCode; Rec."Unit of Measure Code") { }
                field(minimumQuantity; Rec."Minimum Quantity") { }
                field(unitPrice; Rec."Unit Price") { }
                field(currencyCode; Rec."Currency Code") { }
                field(startingDate; Rec."Starting Date") { }
                field(endingDate; Rec."Ending Date") { }
                field(status; Rec.Status) { }
                field(rowVersion; Rec.SystemRowVersion) { }
                field(lastModifiedDateTime; Rec.SystemModifiedAt) { }
            }
        }
    }
}
