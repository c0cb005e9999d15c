page 50101 "Syncline Shipments"
{
    PageType = API;
    APIPublisher = 'syncline';
    APIGroup = 'connect';
    APIVersion = 'v1.0';
    EntityName = 'shipment';
    EntitySetName = 'shipments';
    EntityCaption = 'Shipment';
    EntitySetCaption = 'Shipments';
    SourceTable = "Sales Shipment Header";
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
                field(number; Rec."No.") { }
                field(orderNumber; Rec."Order No.") { }
                field(externalDocumentNumber; Rec."External Document No.") { }
                field(postingDate; Rec."Posting Date") { }
                field(packageTrackingNumber; Rec."Package Tracking No.") { }
                field(shippingAgentCode; Rec."Shipping Agent Code") { }
                field(createdAt; Rec.SystemCreatedAt) { }
                field(rowVersion; Rec.SystemRowVersion) { }
                field(asOf; AsOf) { }
                field(lastModifiedDateTime; Rec.SystemModifiedAt) { }
                part(shipmentLines; "Syncline Shipment Lines")
                {
                    EntityName = 'shipmentLine';
                    EntitySetName = 'shipmentLines';
                    SubPageLink = "Document No." = field("No.");
                }
            }
        }
    }

    trigger OnOpenPage()
    begin
        AsOf := CurrentDateTime();
    end;

    var
        AsOf: DateTime;
}
