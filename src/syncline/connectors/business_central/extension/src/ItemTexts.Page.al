page 50106 "Syncline Item Texts"
{
    PageType = API;
    APIPublisher = 'syncline';
    APIGroup = 'connect';
    APIVersion = 'v1.0';
    EntityName = 'itemText';
    EntitySetName = 'itemTexts';
    EntityCaption = 'Item Text';
    EntitySetCaption = 'Item Texts';
    SourceTable = "Extended Text Line";
    SourceTableView = where("Table Name" = const(Item));
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
                field(languageCode; Rec."Language Code") { }
                field(textNumber; Rec."Text No.") { }
                field(lineNumber; Rec."Line No.") { }
                field(text; Rec.Text) { }
                field(lastModifiedDateTime; Rec.SystemModifiedAt) { }
            }
        }
    }
}
