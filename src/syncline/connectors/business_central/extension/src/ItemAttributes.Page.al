page 50107 "Syncline Item Attributes"
{
    PageType = API;
    APIPublisher = 'syncline';
    APIGroup = 'connect';
    APIVersion = 'v1.0';
    EntityName = 'itemAttribute';
    EntitySetName = 'itemAttributes';
    EntityCaption = 'Item Attribute';
    EntitySetCaption = 'Item Attributes';
    SourceTable = "Item Attribute Value Mapping";
    SourceTableView = where("Table ID" = const(27)); // Item
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
                field(itemNumber; Rec."No.") { }
                field(attributeName; ItemAttribute.Name) { }
                field(value; ItemAttributeValue.Value) { }
            }
        }
    }

    trigger OnAfterGetRecord()
    begin
        if not ItemAttribute.Get(Rec."Item Attribute ID") then
            Clear(ItemAttribute);
        if not ItemAttributeValue.Get(Rec."Item Attribute ID", Rec."Item Attribute Value ID") then
            Clear(ItemAttributeValue);
    end;

    var
        ItemAttribute: Record "Item Attribute";
        ItemAttributeValue: Record "Item Attribute Value";
}
